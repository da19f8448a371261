package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"maillage/services/eventlog"
)

const rebuildBatch = 4096 // records between two flushes of a rebuild

// RebuildFrom makes the ledger of a directory anew from records that begin at
// position 1, a stream's. Only once all of them are flushed does the new directory
// take the old one's place, which is kept beside it as the directory returned. A
// commit that the records leave open at their end is left out. The copy of the head
// is untouched: Open compares the result with it.
func RebuildFrom(records iter.Seq2[eventlog.Record, error], dir string) (aside string, err error) {
	dir = filepath.Clean(dir)
	switch _, err := os.Stat(dir); {
	case err == nil:
		lock, err := lockDir(dir)
		if err != nil {
			return "", err
		}
		defer lock.Close()
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".rebuild-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(fresh))
		}
	}()
	if err := fill(fresh, records); err != nil {
		return "", err
	}
	aside = dir + ".aside-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	switch err := os.Rename(dir, aside); {
	case errors.Is(err, fs.ErrNotExist):
		aside = ""
	case err != nil:
		return "", err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return aside, err
	}
	return aside, syncDir(filepath.Dir(dir))
}

func fill(dir string, records iter.Seq2[eventlog.Record, error]) error {
	s, err := Open(dir, "")
	if err != nil {
		return err
	}
	return errors.Join(fillStore(s, records), s.Close())
}

func fillStore(s *Store, records iter.Seq2[eventlog.Record, error]) error {
	var batch []eventlog.Record
	var run commits
	whole := 0 // records of the batch that make whole commits
	for r, err := range records {
		if err != nil {
			return err
		}
		batch = append(batch, r)
		ends, err := run.next(r.Body)
		if err != nil {
			return fmt.Errorf("position %d: %w", r.Position, err)
		}
		if !ends {
			continue
		}
		if whole = len(batch); whole < rebuildBatch {
			continue
		}
		if _, err := s.Append(batch); err != nil {
			return err
		}
		batch, whole = batch[:0], 0
	}
	_, err := s.Append(batch[:whole])
	return err
}
