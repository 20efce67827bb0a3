package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"powermgr/cmd/config"
	"powermgr/devices/emulator"
	"powermgr/devices/emulator/tesla"
	"powermgr/devices/emulator/vendors"
)

func emulatorCommand() *cobra.Command {
	var listen, zone string
	var newApp bool
	c := &cobra.Command{
		Use:   "emulator",
		Short: "Serve emulated vendor clouds for a simulated house",
		Long: `Serves the clouds of Tesla, Honeywell Home, Total Connect Comfort and Open-Meteo over HTTP, emulated on
top of a simulated house, for development and tests. GET /emulator/state shows the house as it really
is; POST /emulator/faults injects faults, such as
{"endpoint": "tesla.backup", "class": "status", "status": 503, "count": 2}, or {"endpoint": "tesla.*",
"only": "read", "class": "status", "status": 429, "retry_after": 3600, "count": -1, "lasts": 3600};
POST /emulator/history makes Tesla's calendar_history late, revised, incomplete or padded:
{"lag_seconds": 600, "revised_seconds": 3600, "missing": 0.05, "one_offset": true, "padded": true}. With --new-app, Tesla refuses
everything until the app emulator-app, with the secret emulator-app-secret, is registered, as powermgr
auth tesla does. The emulator's address is also the owner's domain: PUT
/.well-known/appspecific/com.tesla.3p.public-key.pem uploads the public key.`,
		Example: `  powermgr emulator --timezone America/New_York
  powermgr emulator --new-app`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, err := time.LoadLocation(zone)
			if err != nil {
				return usage("--timezone %s", config.WrongZone(zone))
			}
			if _, _, err := net.SplitHostPort(listen); err != nil {
				return usage("--listen %s is not an address such as 127.0.0.1:8090", listen)
			}
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("listen: %w; choose another address with --listen", err)
			}
			cloud := vendors.New(emulator.Options{Now: time.Now, Location: home}, vendors.Options{})
			if newApp {
				cloud.Tesla.UseApp(&tesla.App{})
			}
			s := &http.Server{Handler: cloud.Handler(), ReadHeaderTimeout: 10 * time.Second}
			fmt.Fprintf(cmd.OutOrStdout(), "The emulated clouds listen on http://%s\n", ln.Addr())
			stop := context.AfterFunc(cmd.Context(), func() { _ = s.Close() })
			defer stop()
			if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8090", "the address to listen on")
	c.Flags().BoolVar(&newApp, "new-app", false, "start with an app that is not registered with Tesla yet")
	c.Flags().StringVar(&zone, "timezone", "America/Los_Angeles", "the time zone of the house")
	return c
}
