package audit

import (
	"context"
	"iter"
	"net"
	"sort"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/registry"
	"maillage/services/registry/query"
	registryserver "maillage/services/registry/server"
)

// Replica is the register as the records of a bundle make it.
type Replica struct {
	// Unnamed is what stands for the name of a head or of who holds an office where the bundle
	// does not open it: because it was erased, or was not put into the bundle. nil for nothing.
	Unnamed func(erased bool) string

	scope   string // that of the bundle
	head    uint64 // its last position, also where the record of it is not there
	state   registry.State
	records []eventlog.Record // in ascending order
	ends    []commit
	opened  map[string]string // texts by the ids of their values
	names   map[string]bool   // values that are names, by id
	erased  map[string]bool   // values that were erased
}

// commit is where one ends, and since when it is known, which never goes back.
type commit struct {
	end   uint64
	known time.Time
}

// Replay folds all records of a bundle, by the fold of the register itself. It verifies
// nothing: that is for Verify, and only what that did is opened. BUNDLE_INCOMPLETE where it has not all.
func (b *Bundle) Replay() (*Replica, error) {
	if b.Scope != Whole {
		return nil, bad("BUNDLE_INCOMPLETE", 0, "only a bundle with all records can be replayed; this one is of %s", b.Scope)
	}
	r := &Replica{scope: Whole, opened: b.opened}
	for leaf, err := range b.leaves() {
		if err != nil {
			return nil, err
		}
		record, err := recordOf(leaf)
		if err != nil {
			return nil, err
		}
		meta, err := r.state.Evolve(record)
		if err != nil {
			return nil, bad("EVENT_UNREADABLE", record.Position, "position %d cannot be folded: %v", record.Position, err)
		}
		r.records, r.head = append(r.records, record), record.Position
		if meta.GetCommitIndex()+1 < meta.GetCommitSize() {
			continue
		}
		c := commit{record.Position, meta.GetRecordTime().AsTime()}
		if n := len(r.ends); n > 0 && c.known.Before(r.ends[n-1].known) {
			c.known = r.ends[n-1].known
		}
		r.ends = append(r.ends, c)
		r.state.Settle(record.Position)
	}
	r.enterNames()
	return r, nil
}

// Head is the last position.
func (r *Replica) Head() uint64 { return r.head }

// Digest is the state digest d1 as known at a position.
func (r *Replica) Digest(position uint64) (Digest, error) {
	var digests registry.Digests
	d, rows, err := digests.Of(position, func(f func(*registry.State)) error {
		f(&r.state)
		return nil
	})
	return Digest{Position: position, D1: d[:], Rows: uint64(rows)}, err
}

// Agrees compares what the register said the records add up to with what they do.
func (r *Replica) Agrees(claimed Digest) error {
	own, err := r.Digest(claimed.Position)
	if err != nil {
		return err
	}
	if string(own.D1) != string(claimed.D1) {
		return bad("DIGEST_DIFFERS", claimed.Position, "the register says that its state at position %d has the digest %x, and these records add up to %x", claimed.Position, claimed.D1, own.D1)
	}
	return nil
}

// Dial returns a connection to the reads of the replica, in this process, through a server
// that nothing is registered with yet: one that guards what it serves as a register's own does
// ([maillage/services/serve.NewServer]) answers what a register answers, refusals included, but
// for names, which are not in the log: it knows those that the bundle opens. stop ends both.
func (r *Replica) Dial(server *grpc.Server, opts ...grpc.DialOption) (conn *grpc.ClientConn, stop func(), err error) {
	queries, lis := query.New(r.source()), bufconn.Listen(1<<20)
	registryv1.RegisterRegistryServiceServer(server, registryserver.New(queries))
	registryv1.RegisterAliasServiceServer(server, registryserver.NewAliases(queries))
	registryv1.RegisterMapServiceServer(server, registryserver.NewMap(queries))
	registryv1.RegisterActivityQueryServiceServer(server, registryserver.NewActivity(queries))
	go server.Serve(lis) //nolint:errcheck // it ends when it is stopped
	opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if conn, err = grpc.NewClient("passthrough:///bundle", opts...); err != nil {
		server.Stop()
		return nil, nil, err
	}
	return conn, func() { _ = conn.Close(); server.Stop() }, nil
}

// source lets queries read the replica.
func (r *Replica) source() query.Source {
	reach := func(position uint64) error {
		if position > r.Head() {
			e := fault.New(fault.Unavailable, "POSITION_NOT_REACHED", "as_of.min_position", "the bundle ends at position %d", r.Head())
			e.Position = position
			return e
		}
		return nil
	}
	return query.Source{
		Head: func(_ context.Context, least uint64) (uint64, error) { return r.Head(), reach(least) },
		View: func(_ context.Context, need query.Need, f func(s, latest *registry.State)) error {
			for _, position := range need.Known {
				if err := reach(position); err != nil {
					return err
				}
			}
			f(&r.state, &r.state)
			return nil
		},
		KnownAt: func(t time.Time) uint64 {
			return r.before(func(c commit) bool { return c.known.After(t) })
		},
		KnownTime: func(position uint64) time.Time {
			i := sort.Search(len(r.ends), func(i int) bool { return r.ends[i].end >= position })
			if position == 0 || i == len(r.ends) {
				return time.Time{}
			}
			return r.ends[i].known
		},
		CommitEnd: func(position uint64) uint64 {
			return r.before(func(c commit) bool { return c.end > position })
		},
		Record: func(_ context.Context, position uint64) (eventlog.Record, error) {
			i, ok := r.find(position)
			if !ok {
				return eventlog.Record{}, &eventlog.HoleError{Position: position}
			}
			return r.records[i], nil
		},
		Records: func(_ context.Context, after, to uint64) iter.Seq2[eventlog.Record, error] {
			return func(yield func(eventlog.Record, error) bool) {
				first, _ := r.find(after + 1)
				for i := first; after < to; i++ {
					if after++; i == len(r.records) || r.records[i].Position != after {
						yield(eventlog.Record{}, bad("BUNDLE_INCOMPLETE", after, "the bundle is of %s, and has not all records", r.scope))
						return
					}
					if !yield(r.records[i], nil) {
						return
					}
				}
			}
		},
		Personal: func(_ context.Context, ids []string) ([]string, error) {
			texts := make([]string, len(ids))
			for i, id := range ids {
				texts[i] = r.Name(id)
			}
			return texts, nil
		},
		Now: time.Now,
	}
}

// Name is the text of a personal value that the bundle opens, or what stands for it.
func (r *Replica) Name(id string) string {
	text, opened := r.opened[id]
	if !opened && r.names[id] && r.Unnamed != nil {
		return r.Unnamed(r.erased[id])
	}
	return text
}

// enterNames notes which values are names, and which were erased.
func (r *Replica) enterNames() {
	r.names, r.erased = make(map[string]bool), make(map[string]bool)
	for _, v := range r.state.Labelling.Labels.All() {
		r.names[v.Value.GetHead().GetValueId()] = true
	}
	for _, v := range r.state.Labelling.Offices.All() {
		r.names[v.Value.GetName().GetValueId()] = true
	}
	for id := range r.state.Labelling.Erased(r.Head()) {
		r.erased[id] = true
	}
}

// before is the end of the last commit before the first of which something is true.
func (r *Replica) before(so func(commit) bool) uint64 {
	if i := sort.Search(len(r.ends), func(i int) bool { return so(r.ends[i]) }); i > 0 {
		return r.ends[i-1].end
	}
	return 0
}

// Leaf is the hash of the leaf of a record, which the root of the log rests on; zero for none.
func (r *Replica) Leaf(position uint64) tlog.Hash {
	i, ok := r.find(position)
	if !ok {
		return tlog.Hash{}
	}
	return eventlog.LeafHash(r.records[i])
}
