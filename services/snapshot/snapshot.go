// Package snapshot hands the register out as sets of files: all of it at a position, what
// changed between two, and the open data of a day. The files of a set are the same bytes
// for ever, from every process that has the same [Format]: whoever was interrupted goes on
// where the transfer ended, and whoever holds one set applies the next.
//
// They are made from the folded state, wherever reads are answered from: the rows of a
// database are filled from it, and its digest is theirs. A set is made once for all who ask
// for it meanwhile, one set at a time, a table at a time; the state is held for as long as
// it takes to list some rows, not to write them.
package snapshot

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/bitemporal"
	"maillage/services/eventlog"
	"maillage/services/fault"
	"maillage/services/ledger"
	"maillage/services/registry"
)

// Format is the version of the files. What makes other bytes of the same register, be it a
// column or the way they are compressed, gives it another number.
const Format = 1

// ManifestName is the name of the file that describes a set.
const ManifestName = "snapshot.json"

// Source is the register that is handed out. All fields are required, and safe for
// concurrent use.
type Source struct {
	// View runs f over the state, which does not change meanwhile, once a position can be
	// read, within ctx. head is the last one that can.
	View func(ctx context.Context, least uint64, f func(s *registry.State, head uint64)) error
	// Commits yields the commits after a position up to another as they are handed on.
	Commits func(ctx context.Context, after, to uint64) iter.Seq2[*feedv1.Commit, error]
	// Records reads the records after a position up to another, in order.
	Records func(ctx context.Context, after, to uint64) iter.Seq2[eventlog.Record, error]
	// CommitEnd is the last position of the last whole commit at or before a position.
	CommitEnd func(position uint64) uint64
	// KnownTime is the known time of a position, UTC.
	KnownTime func(position uint64) time.Time
	// Digest is the state digest at a position, and how many rows are in it.
	Digest func(ctx context.Context, position uint64) (registry.Digest, int, error)
	// Head is the announced head.
	Head func() ledger.Head
	// Now is the clock.
	Now func() time.Time
}

const (
	// keep is how many sets are kept.
	keep = 6
	// maxWaiting is how many sets may be asked for that are not made yet.
	maxWaiting = 16
	// reach is how long a position may be away: another process may have answered with it.
	reach = 2 * time.Second
	// patience is how long a caller waits for a set: then he is to ask again.
	patience = 20 * time.Second
	// maxBuild bounds the making of a set, which outlives the caller who asked first.
	maxBuild = 30 * time.Minute
)

// Store makes sets and keeps those asked for last.
type Store struct {
	src    Source
	parent string
	ctx    context.Context // of what is being made
	stop   context.CancelFunc
	making sync.WaitGroup

	building sync.Mutex   // one set at a time
	zip      *gzip.Writer // of what is being made

	mu     sync.Mutex
	sets   []*set // the one asked for last comes last
	dir    string // of this process alone; empty until a set is made
	own    *os.File
	newest map[string]newest // by kind
}

// newest is a set that stood for the head a moment ago.
type newest struct {
	key key
	at  time.Time
}

// set is a set that is made, or being made. All but done may be read once that is closed.
type set struct {
	key      key
	done     chan struct{}
	dir      string
	manifest *feedv1.Manifest
	self     *feedv1.File // the manifest as a file
	err      error
}

// New returns a store that makes its sets below a directory, once it is asked for one.
func New(src Source, parent string) *Store {
	ctx, stop := context.WithCancel(context.Background())
	return &Store{src: src, zip: gzip.NewWriter(nil), parent: parent, ctx: ctx, stop: stop, newest: map[string]newest{}}
}

// Stop ends what is being made: who waits for it is told STOPPING.
func (s *Store) Stop() { s.stop() }

// Close ends what is being made, and removes all sets.
func (s *Store) Close() error {
	s.stop()
	s.making.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(s.dir), s.own.Close())
}

// key names a set.
type key struct {
	kind            string
	after, position uint64
	day             bitemporal.Date // of open data
}

// Kinds of sets.
const (
	snapshots = "snapshots"
	deltas    = "deltas"
	openData  = "opendata"
)

func (k key) String() string {
	switch k.kind {
	case deltas:
		return fmt.Sprintf("%s/%d/%d", k.kind, k.after, k.position)
	case openData:
		return fmt.Sprintf("%s/%d-%s", k.kind, k.position, k.day)
	}
	return fmt.Sprintf("%s/%d", k.kind, k.position)
}

// parseKey reads the name of a set; ok is false where it is none.
func parseKey(name string) (k key, ok bool) {
	kind, rest, _ := strings.Cut(name, "/")
	k.kind = kind
	var err error
	switch kind {
	case deltas:
		after, position, _ := strings.Cut(rest, "/")
		k.after, err = strconv.ParseUint(after, 10, 64)
		rest = position
	case openData:
		position, day, _ := strings.Cut(rest, "-")
		k.day, err = bitemporal.ParseDate(day)
		rest = position
	case snapshots:
	default:
		return k, false
	}
	if err != nil {
		return k, false
	}
	k.position, err = strconv.ParseUint(rest, 10, 64)
	return k, err == nil && k.String() == name
}

// Snapshot is the manifest of the register at a position, 0 for the head. A position
// inside a commit stands for the end of the commit before; one that cannot be read yet is
// POSITION_NOT_REACHED.
func (s *Store) Snapshot(ctx context.Context, position uint64) (*feedv1.Manifest, error) {
	at, err := s.resolve(ctx, position, "position")
	if err != nil {
		return nil, err
	}
	return s.manifest(ctx, key{kind: snapshots, position: at})
}

// Delta is the manifest of what changed after a position up to another one, which is
// later, 0 for the head. Positions are as in [Store.Snapshot], but that 0 is before all.
func (s *Store) Delta(ctx context.Context, after, position uint64) (*feedv1.Manifest, error) {
	k, err := s.between(ctx, after, position)
	if err != nil {
		return nil, err
	}
	return s.manifest(ctx, k)
}

// between settles the positions of a delta.
func (s *Store) between(ctx context.Context, after, position uint64) (key, error) {
	k := key{kind: deltas}
	var err error
	if k.position, err = s.resolve(ctx, position, "position"); err != nil {
		return k, err
	}
	if after > 0 {
		if k.after, err = s.resolve(ctx, after, "after"); err != nil {
			return k, err
		}
	}
	if k.after >= k.position {
		return k, fault.New(fault.Invalid, "RANGE_EMPTY", "after", "no commit ends after position %d up to position %d", after, k.position)
	}
	return k, nil
}

// OpenData is the manifest of the open data of a day, YYYY-MM-DD in Europe/Paris, today
// where empty, as known at a position, which is as in [Store.Snapshot].
func (s *Store) OpenData(ctx context.Context, position uint64, day string) (*feedv1.Manifest, error) {
	at, err := s.resolve(ctx, position, "position")
	if err != nil {
		return nil, err
	}
	k := key{kind: openData, position: at}
	if k.day, err = s.dayOf(day); err != nil {
		return nil, err
	}
	return s.manifest(ctx, k)
}

func (s *Store) dayOf(day string) (bitemporal.Date, error) {
	if day == "" {
		return bitemporal.Today(s.src.Now()), nil
	}
	d, err := bitemporal.ParseDate(day)
	if err != nil {
		return d, fault.New(fault.Invalid, "DATE_INVALID", "valid_at", "%v", err)
	}
	return d, nil
}

// resolve is the end of a commit that a position stands for.
func (s *Store) resolve(ctx context.Context, position uint64, field string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, reach)
	defer cancel()
	var head uint64
	err := s.src.View(ctx, position, func(_ *registry.State, at uint64) { head = at })
	if own, is := errors.AsType[*fault.Error](err); is && own.Reason == "POSITION_NOT_REACHED" {
		late := fault.New(own.Kind, own.Reason, field, "%s", own.Message)
		late.Position = position
		return 0, late
	}
	if err != nil {
		return 0, err
	}
	if position == 0 {
		position = head
	}
	return s.src.CommitEnd(position), nil
}

func (s *Store) manifest(ctx context.Context, k key) (*feedv1.Manifest, error) {
	one, err := s.find(ctx, k)
	if err != nil {
		return nil, err
	}
	return one.manifest, nil
}

// Open opens a file of a set by their names, which are those of a manifest; the set is made
// again where it is not kept any longer. Its manifest is a file of it. A name that no
// manifest has is FILE_UNKNOWN.
func (s *Store) Open(ctx context.Context, name, file string) (*os.File, *feedv1.File, error) {
	k, ok := parseKey(name)
	if !ok {
		return nil, nil, fault.New(fault.NotFound, "FILE_UNKNOWN", "set", "no set of files is called %q", name)
	}
	if err := s.canonical(ctx, k); err != nil {
		return nil, nil, err
	}
	return s.open(ctx, k, file)
}

// canonical refuses a set that no manifest names: its positions are the ends of commits.
func (s *Store) canonical(ctx context.Context, k key) error {
	ends := []uint64{k.position}
	if k.after > 0 {
		ends = append(ends, k.after)
	}
	for _, at := range ends {
		end, err := s.resolve(ctx, at, "set")
		if err != nil {
			return err
		}
		if end != at || k.kind == deltas && k.after >= k.position {
			return fault.New(fault.NotFound, "FILE_UNKNOWN", "set", "no set of files is called %q", k)
		}
	}
	return nil
}

func (s *Store) open(ctx context.Context, k key, file string) (*os.File, *feedv1.File, error) {
	for {
		one, err := s.find(ctx, k)
		if err != nil {
			return nil, nil, err
		}
		is := one.self
		if file != ManifestName {
			i := slices.IndexFunc(one.manifest.GetFiles(), func(f *feedv1.File) bool { return f.GetName() == file })
			if i < 0 {
				return nil, nil, fault.New(fault.NotFound, "FILE_UNKNOWN", "name", "%s has no file %q", k, file)
			}
			is = one.manifest.GetFiles()[i]
		}
		f, err := os.Open(filepath.Join(one.dir, is.GetName()))
		if errors.Is(err, os.ErrNotExist) && ctx.Err() == nil { // it was removed since
			s.forget(one)
			continue
		}
		return f, is, err
	}
}

// find returns a set, which is made once for all who ask for it meanwhile and goes on when
// the first of them leaves. One that takes long is SNAPSHOT_MAKING, of the position asked
// for: the head may be another one by now.
func (s *Store) find(ctx context.Context, k key) (*set, error) {
	one, ok := s.findOrMake(k)
	if !ok {
		return nil, fault.New(fault.Unavailable, "SNAPSHOT_MAKING", "", "%d other sets of files are to be made first: ask again in a while", maxWaiting)
	}
	enough := time.NewTimer(patience)
	defer enough.Stop()
	select {
	case <-one.done:
		return one, one.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-enough.C:
		err := fault.New(fault.Unavailable, "SNAPSHOT_MAKING", "", "%s is being made: ask for that position again in a while", k)
		err.Position = k.position
		return nil, err
	}
}

// findOrMake is a set, maybe one to be made; ok is false where too many are.
func (s *Store) findOrMake(k key) (one *set, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := 0
	for i, one := range s.sets {
		if one.key == k {
			s.sets = append(slices.Delete(s.sets, i, i+1), one)
			return one, true
		}
		if one.dir == "" {
			waiting++
		}
	}
	if waiting >= maxWaiting {
		return nil, false
	}
	one = &set{key: k, done: make(chan struct{})}
	s.sets = append(s.sets, one)
	s.making.Go(func() {
		defer close(one.done)
		if one.err = s.make(one); one.err != nil {
			s.forget(one)
		}
		s.drop()
	})
	return one, true
}

func (s *Store) make(one *set) error {
	s.building.Lock()
	defer s.building.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, maxBuild)
	defer cancel()
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "STOPPING", "", "the process is stopping")
	}
	dir, err := s.room()
	if err != nil {
		return fmt.Errorf("make room for %s: %w", one.key, err)
	}
	err = s.build(ctx, one, dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		if s.ctx.Err() != nil {
			return fault.New(fault.Unavailable, "STOPPING", "", "the process is stopping")
		}
		return err
	}
	s.mu.Lock()
	one.dir = dir
	s.mu.Unlock()
	return nil
}

func (s *Store) forget(one *set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets = slices.DeleteFunc(s.sets, func(o *set) bool { return o == one })
}

// drop removes the sets that were not asked for lately. Who reads a file of them reads on.
func (s *Store) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	made := 0
	for _, o := range s.sets {
		if o.dir != "" {
			made++
		}
	}
	s.sets = slices.DeleteFunc(s.sets, func(o *set) bool {
		if o.dir == "" || made <= keep {
			return false
		}
		made--
		_ = os.RemoveAll(o.dir)
		return true
	})
}
