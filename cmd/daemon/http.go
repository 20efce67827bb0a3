package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"powermgr/bridge/bus"
	"powermgr/control/page"
)

// web answers /healthz and /metrics on http.listen, and serves the page.
type web struct {
	d      *Daemon
	page   *page.Page // nil: there is none
	listen string
	log    *slog.Logger
}

// Run answers until ctx ends. An address that is taken is no reason to end: it
// is tried again.
func (w web) Run(ctx context.Context) error {
	server := &http.Server{Handler: w.handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 14}
	defer server.Close()
	for warned := false; ; {
		listener, err := net.Listen("tcp", w.listen)
		if err == nil {
			w.log.Info("metrics and health are served", "address", listener.Addr())
			go func() { _ = server.Serve(listener) }()
			_, err := w.d.Bus.Clock().Wait(ctx, time.Time{}, nil) // on that clock: one that runs ahead counts who waits
			return err
		}
		if !warned {
			w.log.Warn("metrics and health cannot be served: choose another http.listen", "reason", err)
			warned = true
		}
		if err := bus.Sleep(ctx, w.d.Bus.Clock(), time.Minute); err != nil {
			return err
		}
	}
}

func (w web) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(gauges{w.d}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(res http.ResponseWriter, _ *http.Request) {
		if !w.d.Alive() {
			res.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(res, w.d.health())
	})
	if w.page != nil {
		mux.Handle("/", w.page.Handler())
	}
	return mux
}
