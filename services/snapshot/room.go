package snapshot

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// room makes the directory of a set within that of the process.
func (s *Store) room() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == nil {
		var err error
		if s.dir, s.own, err = claim(s.parent); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(s.dir, "set-")
}

// claim makes a directory below another one for this process alone, which holds it locked,
// and removes those of processes that ended. What they made is not trusted, it is made
// again: it costs less than finding out.
func claim(parent string) (dir string, own *os.File, err error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", nil, err
	}
	all, err := os.Open(parent)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, all.Close()) }()
	if err := unix.Flock(int(all.Fd()), unix.LOCK_EX); err != nil {
		return "", nil, err
	}
	left, err := os.ReadDir(parent)
	if err != nil {
		return "", nil, err
	}
	for _, one := range left {
		name := filepath.Join(parent, one.Name())
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			err = os.RemoveAll(name)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return "", nil, err
		}
	}
	if dir, err = os.MkdirTemp(parent, "process-"); err != nil {
		return "", nil, err
	}
	if own, err = os.Open(dir); err != nil {
		return "", nil, err
	}
	return dir, own, unix.Flock(int(own.Fd()), unix.LOCK_EX)
}
