package notary

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"maillage/services/fault"
)

// Keys sign. The first is the one in use; those after it are on their way in or out, and sign
// too, so that whoever trusts any of them goes on.
type Keys []Key

// Key is a key and its public half, in the encoding of package note.
type Key struct {
	note.Signer

	Public string
}

// Public are the public halves, in order.
func (k Keys) Public() (all []string) {
	for _, key := range k {
		all = append(all, key.Public)
	}
	return all
}

func (k Keys) signers() (all []note.Signer) {
	for _, key := range k {
		all = append(all, key.Signer)
	}
	return all
}

// ReadKeys reads a file of keys: one a line in the encoding of package note, lines that begin
// with # left out. KEY_MISSING: there is no such file. KEY_EXPOSED: others can read it.
func ReadKeys(file string) (Keys, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Refused, "KEY_MISSING", "", "there is no key in %s", file)
	}
	if err != nil {
		return nil, fmt.Errorf("key of the checkpoints: %w", err)
	}
	defer f.Close()
	if is, err := f.Stat(); err != nil || is.Mode().Perm()&0o077 != 0 {
		return nil, errors.Join(err, fault.New(fault.Refused, "KEY_EXPOSED", "", "others can read the key %s: chmod 600", file))
	}
	var keys Keys
	in := bufio.NewScanner(f)
	for in.Scan() {
		line := strings.TrimSpace(in.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := parseKey(line)
		if err != nil { // which would show it
			return nil, fault.New(fault.Invalid, "KEY_UNREADABLE", "", "a line of %s is no key of a signed note", file)
		}
		keys = append(keys, key)
	}
	if err := in.Err(); err != nil { // what follows may be a key that would be left out
		return nil, fault.New(fault.Invalid, "KEY_UNREADABLE", "", "%s cannot be read to its end: %v", file, err)
	}
	if len(keys) == 0 {
		return nil, fault.New(fault.Invalid, "KEY_UNREADABLE", "", "%s holds no key", file)
	}
	return keys, nil
}

// parseKey reads a line PRIVATE+KEY+name+hash+base64, which holds the seed after a byte for
// the algorithm.
func parseKey(line string) (Key, error) {
	signer, err := note.NewSigner(line)
	if err != nil {
		return Key{}, err
	}
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(line, "+", 5)[4])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return Key{}, errors.Join(err, errors.New("no seed of Ed25519"))
	}
	public, is := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	if !is {
		return Key{}, errors.New("no public half")
	}
	verifier, err := note.NewEd25519VerifierKey(signer.Name(), public)
	return Key{Signer: signer, Public: verifier}, err
}

// NewKey adds a new key of a name to a file, last, and returns all; the file is made where it
// is missing.
func NewKey(file, name string) (Keys, error) {
	private, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o711); err != nil {
		return nil, err
	}
	before, err := os.ReadFile(file)
	if err == nil {
		if _, err := ReadKeys(file); err != nil { // so as not to hide what is wrong with it
			return nil, err
		}
		before = append(bytes.TrimRight(before, "\n"), '\n')
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key of the checkpoints: %w", err)
	}
	if err := replace(file, append(before, private+"\n"...), 0o600); err != nil {
		return nil, err
	}
	keys, err := ReadKeys(file)
	if err != nil {
		return nil, err
	}
	return keys, keys.Publish(file)
}

// Publish writes the public halves beside a file of keys, as FILE.pub, which is told to all.
func (k Keys) Publish(file string) error {
	text := strings.Join(k.Public(), "\n") + "\n"
	if told, err := os.ReadFile(file + ".pub"); err == nil && string(told) == text {
		return nil
	}
	return replace(file+".pub", []byte(text), 0o644)
}
