package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// announcer keeps the head file and its copy in the third place. Both are written
// after every append and flushed about once a second: they may lag behind the
// entries after a power cut, never run ahead of them.
type announcer struct {
	head, copy *os.File

	seen   Head // what the copy says; guarded by Store.mu
	behind bool // the copy is ahead of the store or contradicts it; guarded by Store.mu

	flushing sync.Mutex // held through a flush

	mu    sync.Mutex // guards the fields below
	last  headRecord
	timer *time.Timer // runs while what was written is not flushed
	err   error       // of a flush in the background
}

func (a *announcer) open(dir, headCopy string) (err error) {
	if headCopy != "" {
		copied, err := readHead(headCopy)
		if err != nil {
			return fmt.Errorf("copy of the ledger's head: %w", err)
		}
		a.seen = copied.Head
		if a.copy, err = os.OpenFile(headCopy, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return fmt.Errorf("copy of the ledger's head: %w", err)
		}
	}
	a.head, err = os.OpenFile(filepath.Join(dir, "head"), os.O_RDWR|os.O_CREATE, 0o600)
	return err
}

// settle compares the copy with what the store holds, and writes the head.
func (a *announcer) settle(s *Store) error {
	a.behind = a.seen.Size > 0
	if err := a.write(s, s.head); err != nil {
		return err
	}
	return errors.Join(syncDir(s.dir), a.flush(s))
}

// write writes a new head, and its copy unless that is ahead.
func (a *announcer) write(s *Store, head Head) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	if a.behind {
		here, err := contains(s, head, a.seen)
		if err != nil {
			return err
		}
		s.mu.Lock()
		a.behind = !here
		s.mu.Unlock()
	}
	a.last.Head = head
	if err := a.put(); err != nil {
		return err
	}
	if a.timer == nil {
		a.timer = time.AfterFunc(headFlush, func() {
			if err := a.flush(s); err != nil {
				a.mu.Lock()
				a.err = fmt.Errorf("flush of the ledger's head: %w", err)
				a.mu.Unlock()
			}
		})
	}
	return nil
}

// contains says whether the tree of a head contains what another head says, or
// stands in a later epoch.
func contains(s *Store, head, other Head) (bool, error) {
	if head.Epoch != other.Epoch {
		return head.Epoch > other.Epoch, nil
	}
	if head.Size < other.Size {
		return false, nil
	}
	root, err := tlog.TreeHash(int64(other.Size), s)
	return root == other.Root, err
}

// put writes the record where it belongs, in one write each. The caller holds mu.
func (a *announcer) put() error {
	b := a.last.encode()
	if _, err := a.head.WriteAt(b, 0); err != nil {
		return err
	}
	if a.copy != nil && !a.behind {
		if _, err := a.copy.WriteAt(b, 0); err != nil {
			return err
		}
	}
	return nil
}

// flush flushes the hashes, records that they are, and flushes the heads.
func (a *announcer) flush(s *Store) error {
	a.flushing.Lock()
	defer a.flushing.Unlock()
	a.mu.Lock()
	if a.timer == nil {
		a.mu.Unlock()
		return nil
	}
	a.timer.Stop()
	a.timer = nil
	size := a.last.Size
	a.mu.Unlock()
	if err := s.hashes.Sync(); err != nil {
		return err
	}
	a.mu.Lock()
	a.last.flushed = size
	err := a.put()
	a.mu.Unlock()
	if err != nil {
		return err
	}
	if a.copy != nil {
		err = a.copy.Sync()
	}
	return errors.Join(err, a.head.Sync())
}

// close flushes what is not flushed, and waits for a flush under way.
func (a *announcer) close(s *Store) error {
	err := a.flush(s)
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(err, a.err)
}
