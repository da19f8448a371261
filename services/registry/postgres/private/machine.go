package private

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"syscall"
)

// oldest is the oldest version of PostgreSQL that is used.
const oldest = 15

// programs are those of a server.
type programs struct {
	initdb, postgres string
	major            int
}

// letters is the locale that says what a letter is.
var letters = map[bool]string{true: "UTF-8", false: "C.UTF-8"}[runtime.GOOS == "darwin"]

// find finds the server programs: those on PATH, else the newest that Debian keeps.
func find() (programs, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = slices.Insert(dirs, 0, filepath.Dir(p))
		}
	}
	found := 0
	for _, dir := range dirs {
		p := programs{initdb: filepath.Join(dir, "initdb"), postgres: filepath.Join(dir, "postgres")}
		out, err := exec.Command(p.postgres, "--version").Output() //nolint:noctx // it prints a line
		if err != nil {
			continue
		}
		if m := regexp.MustCompile(`\) (\d+)`).FindSubmatch(out); m != nil {
			p.major, _ = strconv.Atoi(string(m[1]))
		}
		if p.major >= oldest {
			return p, nil
		}
		found = max(found, p.major)
	}
	if found > 0 {
		return programs{}, fmt.Errorf("PostgreSQL %d is installed, %d or later is needed (on Debian: apt-get install postgresql)", found, oldest)
	}
	return programs{}, errors.New("the server programs of PostgreSQL are not installed (on Debian: apt-get install postgresql)")
}

// unprivileged is the account to run as, for PostgreSQL refuses to run as root; nil where
// this process is not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // there is none to change to
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no account postgres or nobody to run it as")
}

// own makes a directory and sees to it that it belongs to the account of the server and has
// a mode. One of somebody else is refused: he could put anything in it.
func (s *Server) own(dir string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		return err
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	is, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	of, ok := is.Sys().(*syscall.Stat_t)
	if !ok || !is.IsDir() || (of.Uid != uint32(os.Geteuid()) && (s.account == nil || of.Uid != s.account.Uid)) {
		return fmt.Errorf("%s is not a directory of the account that is to use it", dir)
	}
	if err := os.Chmod(dir, mode); err != nil || s.account == nil {
		return err
	}
	return os.Chown(dir, int(s.account.Uid), int(s.account.Gid))
}

// closed names the first directory above one that the account of the server cannot enter.
func (s *Server) closed(dir string) string {
	if s.account == nil {
		return ""
	}
	for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
		is, err := os.Stat(up)
		if err != nil {
			return up
		}
		bit := os.FileMode(0o001)
		if of, ok := is.Sys().(*syscall.Stat_t); ok && of.Uid == s.account.Uid {
			bit = 0o100
		} else if ok && of.Gid == s.account.Gid {
			bit = 0o010
		}
		if is.Mode()&bit == 0 {
			return up
		}
		if up == filepath.Dir(up) {
			return ""
		}
	}
}

// short is a short name that stands for a path.
func short(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:6])
}
