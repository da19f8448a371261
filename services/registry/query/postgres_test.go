package query_test

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"testing"
	"time"

	"maillage/services/registry"
	"maillage/services/registry/postgres"
	"maillage/services/registry/postgres/postgrestest"
	"maillage/services/registry/query"
)

// onPostgres says that worlds answer from PostgreSQL rather than from memory.
var onPostgres bool

// TestMain runs every test twice, over the state in memory and over the rows of it in
// PostgreSQL: what is answered must be the same. Properties are tried less often there,
// where each world is a database.
func TestMain(m *testing.M) {
	code := m.Run()
	if list := flag.Lookup("test.list"); code == 0 && list.Value.String() == "" {
		onPostgres = true
		asked := false
		flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
		if !asked {
			_ = flag.Set("rapid.checks", "3")
		}
		code = m.Run()
	}
	os.Exit(code)
}

// stored answers from rows of the world that its store keeps as it does in a process.
func (w *world) stored(memory query.Source) query.Source {
	if w.store == nil {
		w.store = w.open()
	}
	return w.store.Source(memory)
}

func (w *world) open() *postgres.Store {
	ctx, stop := context.WithCancel(context.WithoutCancel(w.tb.Context()))
	store, err := postgres.Open(ctx, postgrestest.Reused(w.tb, emptied), w.register(), slog.New(slog.DiscardHandler))
	if err != nil {
		w.tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	w.tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.tb.Error(err)
		}
		store.Close()
	})
	return store
}

// emptied leaves a schema as it is filled from an empty log.
const emptied = `do $$ declare t record; begin
	for t in select c.oid::regclass as name from pg_class c join maillage.model m on c.relnamespace = m.schema::regnamespace where c.relkind = 'r' loop
		execute 'delete from ' || t.name;
	end loop;
	update maillage.model set position = 0, target = 0, leaf = '', log_id = '';
end $$`

// register is the world as the store of a process sees it.
func (w *world) register() postgres.Register {
	memory := w.memory()
	return postgres.Register{
		View: func(ctx context.Context, least uint64, f func(*registry.State, uint64)) error {
			for {
				w.mu.RLock()
				moved := w.moved
				if least <= w.head {
					f(&w.state, w.head)
					w.mu.RUnlock()
					return nil
				}
				w.mu.RUnlock()
				select {
				case <-moved:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		},
		Records:   memory.Records,
		CommitEnd: memory.CommitEnd,
		KnownTime: memory.KnownTime,
	}
}

// await lets readers see the head of the world at once: their store has it a moment later.
func (w *world) await(source query.Source) query.Source {
	memory := w.memory()
	read := source.Head
	source.Head = func(ctx context.Context, least uint64) (uint64, error) {
		head, err := memory.Head(ctx, least)
		if err != nil {
			return 0, err
		}
		for often := time.NewTicker(time.Millisecond); ; {
			filled := w.store.Progress().Schema != "" // before it is read: it may be filled between
			if _, err = read(ctx, head); err == nil || filled {
				return head, err
			}
			select {
			case <-often.C: // the first schema is being filled
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
	}
	return source
}
