package notary

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/http"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/proto/merkle"
	"maillage/services/eventlog"
	"maillage/services/fault"
)

// Log is what can be proved of a ledger, up to the last checkpoint signed.
type Log struct {
	Signer *Signer
	// Hashes are those of the tree.
	Hashes tlog.HashReader
	// Read reads the records after a position, in order.
	Read func(after uint64) iter.Seq2[eventlog.Record, error]
}

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// Handler serves the log as C2SP tlog-tiles, from which generic tools mirror and verify it:
// GET /checkpoint, /tile/L/N[.p/W] and /tile/entries/N[.p/W]. What is not under the last
// signed checkpoint is not found. fail answers with an error, which is a *fault.Error where a
// caller can act on it.
func (l *Log) Handler(fail func(http.ResponseWriter, *http.Request, error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /checkpoint", func(w http.ResponseWriter, r *http.Request) {
		if err := l.serveCheckpoint(w); err != nil {
			fail(w, r, err)
		}
	})
	mux.HandleFunc("GET /tile/", func(w http.ResponseWriter, r *http.Request) {
		if err := l.serveTile(w, r); err != nil {
			fail(w, r, err)
		}
	})
	return mux
}

func (l *Log) serveCheckpoint(w http.ResponseWriter) error {
	_, signed, ok := l.Signer.Last()
	if !ok {
		return fault.New(fault.NotFound, "NO_CHECKPOINT", "", "nothing is signed yet: ask again in a few seconds")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(signed)
	return nil
}

func (l *Log) serveTile(w http.ResponseWriter, r *http.Request) error {
	rest := strings.TrimPrefix(r.URL.Path, "/tile/")
	if after, entries := strings.CutPrefix(rest, "entries/"); entries {
		rest = "data/" + after
	}
	tile, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	if err != nil || !l.has(tile) {
		return fault.New(fault.NotFound, "TILE_UNKNOWN", "", "no tile has this path, or not all of it is under the last signed checkpoint: see c2sp.org/tlog-tiles")
	}
	var content []byte
	if tile.L < 0 {
		content, err = l.entries(tile)
	} else {
		content, err = tlog.ReadTileData(tile, l.Hashes)
	}
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=3600") // a log only grows, but for a new epoch
	_, _ = w.Write(content)
	return nil
}

// has reports whether all that is in a tile is under the last checkpoint.
func (l *Log) has(t tlog.Tile) bool {
	signed, _, ok := l.Signer.Last()
	level := max(t.L, 0) * tileHeight
	if !ok || level >= 63 {
		return false
	}
	there := signed.Size >> level // at its level
	return uint64(t.N) <= there/tileWidth && uint64(t.N)*tileWidth+uint64(t.W) <= there
}

// entries are the leaves of a bundle, each after its length in two bytes.
func (l *Log) entries(t tlog.Tile) (b []byte, err error) {
	left := t.W
	for r, err := range l.Read(uint64(t.N) * tileWidth) {
		if err != nil {
			return nil, err
		}
		at := len(b)
		b = merkle.AppendLeaf(append(b, 0, 0), r.Position, r.Subject, r.Body)
		binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
		if left--; left == 0 {
			return b, nil
		}
	}
	return nil, fmt.Errorf("the ledger ends within tile %d", t.N)
}

// ProveInclusion proves that the record at a position is in the log of a size, at least
// that position and at most what is signed.
func (l *Log) ProveInclusion(position, size uint64) (tlog.RecordProof, error) {
	return tlog.ProveRecord(int64(size), int64(position-1), l.Hashes)
}

// ProveConsistency proves that the log of a size extends that of an older one.
func (l *Log) ProveConsistency(old, size uint64) (tlog.TreeProof, error) {
	if old == 0 || old == size {
		return nil, nil
	}
	return tlog.ProveTree(int64(size), int64(old), l.Hashes)
}
