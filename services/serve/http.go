package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"maillage/services/web"
)

const (
	headerTime   = 5 * time.Second // a caller has to send the headers of a request
	idleTime     = 2 * time.Minute // a connection is kept between two requests
	writeTime    = 2 * time.Minute // an answer has, but for the stream, which has its own rule
	httpStopTime = 5 * time.Second // what is being answered has when the process stops
)

// serveHTTP answers over HTTP, through the gRPC server of the process: reads and the feed,
// /healthz (the process lives) and /readyz (it can be asked, or what it waits for). What
// waits there is answered when ctx ends.
func (p *process) serveHTTP(ctx context.Context, a *Addresses) (stop func(), err error) {
	if p.config.HTTP == "off" {
		return func() {}, nil
	}
	more := map[string]http.HandlerFunc{"/checkpoint": p.serveTiles, "/tile/": p.serveTiles}
	if p.files != nil {
		files := p.filesHandler()
		for _, root := range [...]string{"/v1/snapshots/", "/v1/deltas/", "/opendata/"} {
			more[root] = files.ServeHTTP
		}
	}
	handler, err := web.New(web.Config{GRPC: a.GRPC, Ready: p.ready, URL: p.config.PublicURL, Stopping: ctx.Done(), More: more})
	if err != nil {
		return nil, err
	}
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.config.HTTP)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("HTTP: %w", err), handler.Close())
	}
	a.HTTP = lis.Addr().String()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: web.MaxHeader}
	go func() {
		if err := server.Serve(lis); err != nil && !errors.Is(err, http.ErrServerClosed) {
			slog.ErrorContext(ctx, "HTTP", "err", err)
		}
	}()
	return func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpStopTime)
		defer cancel()
		if err := server.Shutdown(ending); err != nil {
			_ = server.Close()
		}
		_ = handler.Close()
	}, nil
}
