package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"powermgr/bridge/bus"
	"powermgr/cmd/config"
	"powermgr/cmd/daemon"
	"powermgr/cmd/local"
	"powermgr/control/health"
)

func runCommand(g *globals) *cobra.Command {
	var r running
	var only string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Runs the bridge and the peak controller. With --only, each can be a process of its own with the same
broker; the bridge then has the MQTT last will. SIGHUP reloads the configuration; all of it is checked
before any of it takes effect. With --begin-dry, which the service uses, a configuration that has never
commanded devices on this machine starts as a dry run, until powermgr live or --live.`,
		Example: "  powermgr run --config ./config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			parts, ok := map[string]daemon.Parts{"": daemon.Whole, "bridge": daemon.BridgeAlone, "control": daemon.ControlAlone}[only]
			if !ok {
				return usage("--only %s is neither bridge nor control%s", only, config.DidYouMean(only, []string{"bridge", "control"}))
			}
			r.config, r.parts = g.config, parts
			return r.run(cmd.Context())
		},
	}
	c.Flags().StringVar(&only, "only", "", "run only one half: bridge or control")
	c.Flags().BoolVar(&r.beginDry, "begin-dry", false, "start as a dry run if this configuration has never commanded devices here")
	c.Flags().BoolVar(&r.live, "live", false, "let this configuration command devices right from the start, like powermgr live")
	return c
}

// running is powermgr run: one daemon after another, each with its own configuration.
type running struct {
	config   string
	parts    daemon.Parts
	beginDry bool // a configuration that is new here is a dry run
	live     bool // except this one
	hangups  chan os.Signal
}

// run runs a daemon until ctx ends, and replaces it whenever the configuration is to be
// read again and is valid.
func (r running) run(ctx context.Context) error {
	r.hangups = make(chan os.Signal, 1)
	c, log, err := r.load()
	if err != nil {
		return err
	}
	if r.live {
		if err := config.GoLive(c); err != nil {
			return err
		}
	}
	d, err := r.build(c, log, nil)
	if err != nil {
		return err
	}
	log.Info("powermgr starts", "version", version(), "node", c.HA.Node, "parts", d.Parts(), "dry_run", d.DryRun())
	signal.Notify(r.hangups, syscall.SIGHUP)
	defer signal.Stop(r.hangups)
	tell := newSystemd()
	defer tell.close()
	tell.say("READY=1")
	if a, ok := config.FindAddon(os.Environ()); ok {
		go a.Watch(ctx, c, bus.Wall{}, r.reload)
	}
	var alive atomic.Pointer[daemon.Daemon]
	watchdog, stop := context.WithCancel(ctx)
	defer stop()
	go tell.feed(watchdog, func() bool { return alive.Load().Alive() })
	defer time.AfterFunc(settledAfter, trim).Stop()
	for {
		alive.Store(d)
		next, err := r.until(ctx, d, log)
		if next == nil {
			tell.say("STOPPING=1")
			log.Info("powermgr stops")
			return err
		}
		d, log = next.daemon, next.log
		log.Info("the configuration was read again", "file", r.config)
	}
}

// settledAfter is how long after its start a daemon has finished what it does only
// once.
const settledAfter = time.Minute

// A successor is the daemon that follows another one.
type successor struct {
	daemon *daemon.Daemon
	log    *slog.Logger
}

// until runs d until ctx ends, or until another daemon has to replace it. An invalid
// configuration changes nothing.
func (r running) until(ctx context.Context, d *daemon.Daemon, log *slog.Logger) (*successor, error) {
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(life) }()
	for {
		select {
		case err := <-ended:
			return nil, err
		case <-r.hangups:
			config, nextLog, err := r.load()
			var next *daemon.Daemon
			if err == nil {
				next, err = r.build(config, nextLog, d)
			}
			if err != nil {
				log.Error("the configuration cannot be used; the old one stays in force", "file", r.config, "reason", err)
				d.Report(health.Configuration, health.Report{Level: health.Critical, Problem: fmt.Sprintf("the new configuration has an error, so the old one stays in force: %v", err)})
				continue
			}
			end(local.ErrReloading)
			return &successor{next, nextLog}, <-ended
		}
	}
}

func (r running) load() (config.Config, *slog.Logger, error) {
	config, notices, err := config.Load(r.config, os.Environ())
	if err != nil {
		return config, nil, err
	}
	if r.parts != daemon.Whole && config.HA.Enabled {
		return config, nil, usage("--only is not for a node of a pair: set ha.enabled to false, or run it whole")
	}
	if r.parts != daemon.Whole && config.MQTT.Off() {
		return config, nil, usage("--only needs a broker, over which the two halves talk, and mqtt.url is none")
	}
	log := daemon.NewLogger(config.Logging, os.Stderr, os.Environ())
	for _, n := range notices {
		log.Warn("configuration", "key", n.Key, "notice", n.Text)
	}
	return config, log, nil
}

// build makes the daemon that follows another one, if there is one.
func (r running) build(c config.Config, log *slog.Logger, last *daemon.Daemon) (*daemon.Daemon, error) {
	dir := runtimeDir()
	if info, err := os.Stat(dir); err != nil || !info.IsDir() || r.parts == daemon.ControlAlone {
		log.Info("there is no runtime directory, so powermgr status will not work", "directory", dir)
		dir = ""
	}
	o := daemon.Options{Config: c, Version: version(), Parts: r.parts, Log: log, RuntimeDir: dir, Reload: r.reload, Last: last, Drawn: trim, Check: func() string { return checkedConfig(r.config) }}
	if r.beginDry {
		held, err := config.BeginDry(c)
		if err != nil {
			log.Warn("the first run of a configuration cannot be told from others", "reason", err)
		}
		o.HeldBack = held
	}
	d, err := daemon.New(o)
	if err != nil {
		return nil, wrong(err)
	}
	if _, addon := config.FindAddon(os.Environ()); addon && config.LacksBroker(c) {
		d.Report(health.Configuration, health.Report{Level: health.Warning, Problem: config.NoBroker})
	}
	if o.HeldBack {
		log.Warn(config.HeldBack)
		d.Report(health.Configuration, health.Report{Level: health.Warning, Problem: config.HeldBack})
	}
	return d, nil
}

// reload is the same as SIGHUP.
func (r running) reload() {
	select {
	case r.hangups <- syscall.SIGHUP:
	default: // one is pending already
	}
}

// stopSignals ends the context of every command.
func stopSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

// systemd is the service manager's notification socket, if there is one.
type systemd struct {
	conn  net.Conn
	every time.Duration // of the watchdog; 0: there is none
}

func newSystemd() *systemd {
	s := &systemd{}
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return s
	}
	conn, err := net.Dial("unixgram", address)
	if err != nil {
		return s // not started by systemd after all
	}
	s.conn = conn
	var microseconds int64
	if n, err := fmt.Sscan(os.Getenv("WATCHDOG_USEC"), &microseconds); n == 1 && err == nil {
		s.every = time.Duration(microseconds) * time.Microsecond / 3
	}
	return s
}

func (s *systemd) say(line string) {
	if s.conn != nil {
		_, _ = s.conn.Write([]byte(line)) // if systemd misses it, its timeout or watchdog ends this process
	}
}

// feed resets the watchdog as long as alive reports that the loops run.
func (s *systemd) feed(ctx context.Context, alive func() bool) {
	if s.conn == nil || s.every <= 0 {
		return
	}
	t := time.NewTicker(s.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if alive() {
				s.say("WATCHDOG=1")
			}
		}
	}
}

func (s *systemd) close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
}
