package serve

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/registry"
	"maillage/services/snapshot"
	"maillage/services/web"
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

// problem answers with an error as all others are answered.
func problem(w http.ResponseWriter, r *http.Request, err error) {
	if _, own := errors.AsType[*fault.Error](err); !own {
		slog.ErrorContext(r.Context(), "internal error", "path", r.URL.Path, "err", err)
	}
	web.Problem(w, err)
}
