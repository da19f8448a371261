// Package vault keeps what must be erasable: names, RPPS numbers, addresses, the
// identities behind accounts. Events hold opaque ids and commitments instead, so
// that erasing a person leaves the log and every proof of it valid.
//
// A vault directory holds one file for each value (values/<first character of its
// id>/<id>), one for each account (accounts/<keyed digest of its identity>), an
// empty one for each log that ever used it (logs/<check>), the record of accesses
// (access/<month>.jsonl) and the key of its digests. Nothing but value files contains
// personal text. Erasure unlinks; the bytes a disk keeps in free blocks are the operator's
// to encrypt.
//
// An access is that any text of a value goes out in the answer of a call: with a label, an
// office or a directory, in a draft, in the search before an erasure, as an opening. It is
// recorded before the answer goes out, and where it cannot be the call is refused: so one is
// recorded too whose answer never arrived. What is read within a decision (who leads a team,
// which values a refused command or an erasure unlinks), in a search that gives no text, in
// the sweep at start, or by whoever asks for an account is none: nobody is given a text. Feed,
// snapshots, open data and the rows in PostgreSQL hold no text, and neither does the record.
package vault

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"golang.org/x/text/unicode/norm"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/identifier"
)

// Errors of the vault.
var (
	// ErrText says that a text is not UTF-8, or a kind of value is not a name.
	ErrText = errors.New("not a text the vault can keep")
	// ErrAltered says that a value is no longer what was put.
	ErrAltered = errors.New("a value of the vault was altered")
)

const (
	saltBytes = 32
	keyBytes  = 32
	alphabet  = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	// syncAlone is the number of values up to which each file is flushed by itself;
	// beyond, one flush of the whole file system is cheaper.
	syncAlone = 2
	// writers is the number of files created at once.
	writers = 4
	// cacheHalf bounds the texts kept in memory: at most twice as many.
	cacheHalf = 1 << 15
)

// Vault is a directory of personal values, safe for concurrent use, also by several
// processes: a value is served from memory only while its file stands.
type Vault struct {
	dir string
	key [keyBytes]byte

	mu         sync.Mutex
	young, old map[string]value // the cache, in two generations
	erasures   uint64           // erasures so far: a value read across one is not cached
}

// Open opens or creates the vault of a directory.
func Open(dir string) (*Vault, error) {
	v := &Vault{dir: dir, young: map[string]value{}}
	for _, d := range []string{"values", "accounts", accessDir} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	for _, c := range alphabet {
		if err := os.Mkdir(filepath.Join(dir, "values", string(c)), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	if err := v.loadKey(); err != nil {
		return nil, err
	}
	return v, errors.Join(syncDir(filepath.Join(dir, "values")), syncDir(dir))
}

// loadKey reads the vault's key, or makes it where the vault is new.
func (v *Vault) loadKey() error {
	file := filepath.Join(v.dir, "key")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		accounts, err := os.ReadDir(filepath.Join(v.dir, "accounts"))
		if err != nil {
			return err
		}
		if len(accounts) > 0 {
			return fmt.Errorf("%s is missing: without it no account is found again", file)
		}
		fresh := make([]byte, keyBytes)
		if _, err := rand.Read(fresh); err != nil {
			return err
		}
		if err := createWhole(file, fresh); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		b, err = os.ReadFile(file)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if len(b) != keyBytes {
		return fmt.Errorf("%s has %d bytes, not %d", file, len(b), keyBytes)
	}
	copy(v.key[:], b)
	return nil
}

// Digest returns the HMAC-SHA-256 of b under the vault's key, 32 bytes.
func (v *Vault) Digest(b []byte) []byte { return sum(v.key[:], b) }

// Check tells vaults apart without naming anyone: it is the keyed digest of the id of
// the log that a vault belongs to.
func (v *Vault) Check(logID string) [sha256.Size]byte {
	return [sha256.Size]byte(v.Digest([]byte("maillage vault of log " + logID)))
}

// Enrol notes that the log of a check uses the vault, and says whether no other one ever
// did. What another log refers to nobody can tell from this one.
func (v *Vault) Enrol(check [sha256.Size]byte) (alone bool, err error) {
	dir := filepath.Join(v.dir, "logs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	f, err := os.OpenFile(filepath.Join(dir, hex.EncodeToString(check[:])), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	if err := errors.Join(f.Close(), syncDir(dir), syncDir(v.dir)); err != nil {
		return false, err
	}
	all, err := os.ReadDir(dir)
	return len(all) == 1, err
}

// PutBefore returns the ids of the values put before a time, and when each was, by the
// clock of the file system. Accounts are not among them.
func (v *Vault) PutBefore(t time.Time) (map[string]time.Time, error) {
	found := make(map[string]time.Time)
	for _, c := range alphabet {
		files, err := os.ReadDir(filepath.Join(v.dir, "values", string(c)))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			info, err := f.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue // erased meanwhile
			}
			if err != nil {
				return nil, err
			}
			if canonical, err := identifier.ParseID(f.Name()); err == nil && canonical == f.Name() && info.ModTime().Before(t) {
				found[f.Name()] = info.ModTime()
			}
		}
	}
	accounts, err := os.ReadDir(filepath.Join(v.dir, "accounts"))
	if err != nil {
		return nil, err
	}
	for _, f := range accounts {
		if strings.HasPrefix(f.Name(), ".") {
			continue // one that is being made
		}
		id, err := readAccount(filepath.Join(v.dir, "accounts", f.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		delete(found, id)
	}
	return found, nil
}

// Value is a value that a vault holds.
type Value struct{ ID, Kind, Text string }

// Values yields all values, accounts among them, in no order. It reads every file; one that
// cannot be read, or does not hold what was put (ErrAltered), is an error with the ID alone, and
// the others follow; an error without an ID is the last. An empty file is of a value that is
// being put, or was when a process was killed, and is left out.
func (v *Vault) Values() iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		for _, c := range alphabet {
			files, err := os.ReadDir(filepath.Join(v.dir, "values", string(c)))
			if err != nil {
				yield(Value{}, err)
				return
			}
			for _, f := range files {
				b, err := os.ReadFile(v.file(f.Name()))
				if errors.Is(err, fs.ErrNotExist) {
					continue // erased meanwhile
				}
				if err == nil && len(b) == 0 {
					continue
				}
				var val value
				if err == nil {
					val, err = decode(f.Name(), b)
				}
				if !yield(Value{f.Name(), val.kind, val.text}, err) {
					return
				}
			}
		}
	}
}

// Put keeps texts of a kind (person_name, rpps, email ...) and returns what stands
// for them in events, in their order. They are flushed when it returns. A text is
// brought to Unicode NFC first.
func (v *Vault) Put(ctx context.Context, kind string, texts ...string) ([]*eventv1.PersonalValue, error) {
	values := make([]value, len(texts))
	for i, text := range texts {
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("%w: text %d is not UTF-8", ErrText, i)
		}
		values[i] = value{kind: kind, text: norm.NFC.String(text)}
	}
	if kind == "" || len(kind) > 255 || !utf8.ValidString(kind) || strings.ContainsRune(kind, 0) {
		return nil, fmt.Errorf("%w: kind %q", ErrText, kind)
	}
	if err := v.writeAll(ctx, values); err != nil {
		return nil, errors.Join(err, v.unlink(values))
	}
	out := make([]*eventv1.PersonalValue, len(values))
	for i, val := range values {
		v.cache(val)
		out[i] = &eventv1.PersonalValue{ValueId: val.id, Commitment: val.commitment()}
	}
	return out, nil
}

// writeAll creates the files of values and flushes them. Creating a file is what
// takes time, so a few are created at once.
func (v *Vault) writeAll(ctx context.Context, values []value) error {
	if len(values) <= syncAlone {
		for i := range values {
			if err := v.write(ctx, &values[i], true); err != nil {
				return err
			}
		}
		return nil
	}
	var group errgroup.Group
	for worker := range writers {
		group.Go(func() error {
			for i := worker; i < len(values); i += writers {
				if err := v.write(ctx, &values[i], false); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	d, err := os.Open(v.dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

// write mints the value's id and salt and creates its file. The id stays empty where
// there is no file.
func (v *Vault) write(ctx context.Context, val *value, flush bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := rand.Read(val.salt[:]); err != nil {
		return err
	}
	for {
		id := identifier.NewID()
		f, err := os.OpenFile(v.file(id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		val.id = id
		_, err = f.Write(val.encode())
		if err == nil && flush {
			err = errors.Join(f.Sync(), syncDir(filepath.Dir(f.Name())))
		}
		return errors.Join(err, f.Close())
	}
}

// unlink takes back the values of a Put that failed.
func (v *Vault) unlink(values []value) error {
	var errs []error
	for _, val := range values {
		if val.id != "" {
			errs = append(errs, os.Remove(v.file(val.id)))
		}
	}
	return errors.Join(errs...)
}

// Get returns the text of a value. ok is false where there is none: it was erased,
// or never put. A file that does not hold what was put is ErrAltered.
func (v *Vault) Get(id string) (text string, ok bool, err error) {
	val, ok, err := v.get(id)
	return val.text, ok, err
}

// Verify is Get for a value as an event holds it; it also compares the text with
// the event's commitment: where it does not fit, that is ErrAltered.
func (v *Vault) Verify(p *eventv1.PersonalValue) (text string, ok bool, err error) {
	val, ok, err := v.get(p.GetValueId())
	if err != nil || !ok {
		return "", false, err
	}
	if !hmac.Equal(val.commitment(), p.GetCommitment()) {
		return "", false, fmt.Errorf("%w: %s is not what the event commits to", ErrAltered, val.id)
	}
	return val.text, true, nil
}

func (v *Vault) get(id string) (value, bool, error) {
	if canonical, err := identifier.ParseID(id); err != nil || canonical != id {
		return value{}, false, nil // what is no id names no value
	}
	val, cached, erasures := v.cached(id)
	if cached {
		switch err := unix.Access(v.file(id), unix.F_OK); {
		case err == nil:
			return val, true, nil
		case errors.Is(err, fs.ErrNotExist): // erased by another process
			v.forget(id)
			return value{}, false, nil
		}
	}
	b, err := os.ReadFile(v.file(id))
	if errors.Is(err, fs.ErrNotExist) {
		return value{}, false, nil
	}
	if err != nil {
		return value{}, false, err
	}
	if val, err = decode(id, b); err != nil {
		return value{}, false, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.erasures == erasures {
		v.cacheLocked(val)
	}
	return val, true, nil
}

// Erase deletes a value, or an account and the identity behind it, and flushes. It
// does nothing where there is none. An identity whose account was erased gets
// another account when it is seen again.
func (v *Vault) Erase(id string) error {
	if canonical, err := identifier.ParseID(id); err != nil || canonical != id {
		return nil //nolint:nilerr // what is no id names no value
	}
	val, ok, err := v.get(id)
	if err != nil || ok && val.kind == accountKind { // of what cannot be read, nobody knows
		if err := v.unlinkAccount(id); err != nil {
			return err
		}
	}
	file := v.file(id)
	err = os.Remove(file)
	v.forget(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(file))
}

func (v *Vault) file(id string) string { return filepath.Join(v.dir, "values", id[:1], id) }

func (v *Vault) cached(id string) (val value, ok bool, erasures uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if val, ok = v.young[id]; !ok {
		if val, ok = v.old[id]; ok {
			v.cacheLocked(val)
		}
	}
	return val, ok, v.erasures
}

func (v *Vault) cache(val value) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cacheLocked(val)
}

// cacheLocked keeps a value; when the young half is full, the old one is dropped.
func (v *Vault) cacheLocked(val value) {
	if len(v.young) >= cacheHalf {
		v.young, v.old = map[string]value{}, v.young
	}
	v.young[val.id] = val
}

func (v *Vault) forget(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.young, id)
	delete(v.old, id)
	v.erasures++
}

// value is one personal value. Its file is the version, the lengths of id and kind
// (2 bytes each), id, kind, salt, commitment, text.
type value struct {
	id, kind, text string
	salt           [saltBytes]byte
}

const fileVersion = "mvault1\n"

// commitment is HMAC-SHA-256 keyed with the salt over kind, a zero byte, the text.
func (v value) commitment() []byte {
	return sum(v.salt[:], []byte(v.kind), []byte{0}, []byte(v.text))
}

func (v value) encode() []byte {
	b := []byte(fileVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.id)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(v.kind)))
	b = append(append(b, v.id...), v.kind...)
	b = append(b, v.salt[:]...)
	b = append(b, v.commitment()...)
	return append(b, v.text...)
}

func decode(id string, b []byte) (value, error) {
	altered := fmt.Errorf("%w: %s", ErrAltered, id)
	rest, ok := bytes.CutPrefix(b, []byte(fileVersion))
	if !ok || len(rest) < 4 {
		return value{}, altered
	}
	n, k := int(binary.BigEndian.Uint16(rest)), int(binary.BigEndian.Uint16(rest[2:]))
	rest = rest[4:]
	if len(rest) < n+k+saltBytes+sha256.Size || string(rest[:n]) != id {
		return value{}, altered
	}
	v := value{id: id, kind: string(rest[n : n+k])}
	rest = rest[n+k:]
	copy(v.salt[:], rest)
	v.text = string(rest[saltBytes+sha256.Size:])
	if !hmac.Equal(v.commitment(), rest[saltBytes:saltBytes+sha256.Size]) {
		return value{}, altered
	}
	return v, nil
}

func sum(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// createWhole creates a file with its whole content, flushed, or fails with
// fs.ErrExist; nobody ever sees a part of it.
func createWhole(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), file); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
}
