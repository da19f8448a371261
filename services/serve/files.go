package serve

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/registry"
	"maillage/services/snapshot"
)

// snapshotSource lets the register be handed out as files.
func (p *process) snapshotSource() snapshot.Source {
	register := p.register()
	return snapshot.Source{
		View: register.View, Commits: p.feed.Commits, Records: register.Records,
		CommitEnd: register.CommitEnd, KnownTime: register.KnownTime,
		Digest: func(ctx context.Context, position uint64) (registry.Digest, int, error) {
			return p.digests.Of(position, func(f func(*registry.State)) error {
				return register.View(ctx, position, func(s *registry.State, _ uint64) { f(s) })
			})
		},
		Head: func() ledger.Head { return p.runner.Progress().Gate },
		Now:  time.Now,
	}
}

// openFiles makes the store of sets of files.
func (p *process) openFiles() *snapshot.Store {
	p.files = snapshot.New(p.snapshotSource(), filepath.Join(p.config.Data, "snapshots"))
	return p.files
}

// filesHandler serves the files of the process over HTTP once it can be asked.
func (p *process) filesHandler() http.Handler {
	files := p.files.Handler(problem)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.joined.Load() {
			err := p.follows()
			if err == nil {
				err = errStarting
			}
			problem(w, r, err)
			return
		}
		files.ServeHTTP(w, r)
	})
}

// internal is the reason of what no caller can act on.
const internal = "INTERNAL"

// problem answers with an error as RFC 9457 has it.
func problem(w http.ResponseWriter, r *http.Request, err error) {
	own, ok := errors.AsType[*fault.Error](err)
	if !ok {
		slog.ErrorContext(r.Context(), "internal error", "path", r.URL.Path, "err", err)
		own = fault.New(fault.Kind(codes.Internal), internal, "", "internal error")
	}
	status := map[fault.Kind]int{
		fault.Invalid: http.StatusBadRequest, fault.NotFound: http.StatusNotFound,
		fault.Refused: http.StatusConflict, fault.Conflict: http.StatusConflict, fault.Unavailable: http.StatusServiceUnavailable,
	}[own.Kind]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	said := map[string]any{"title": own.Reason, "status": status, "detail": own.Message, "reason": own.Reason}
	if own.Field != "" {
		said["field"] = own.Field
	}
	if own.Position != 0 {
		said["position"] = strconv.FormatUint(own.Position, 10)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(said)
}
