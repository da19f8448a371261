package vault

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"maillage/services/identifier"
)

const accountKind = "account"

// Account returns the opaque id of the account of an identity, the subject of an
// issuer. It is made when the identity is first seen and never changes until it is
// erased. The id is that of a value too: Get returns issuer and subject, each a
// quoted ASCII string.
func (v *Vault) Account(issuer, subject string) (string, error) {
	if !utf8.ValidString(issuer) || !utf8.ValidString(subject) {
		return "", fmt.Errorf("%w: identity", ErrText)
	}
	// ASCII, since NFC would make one of two identities that differ in bytes.
	identity := strconv.QuoteToASCII(issuer) + " " + strconv.QuoteToASCII(subject)
	link := v.accountFile(identity)
	if id, err := readAccount(link); !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	values, err := v.Put(context.Background(), accountKind, identity)
	if err != nil {
		return "", err
	}
	id := values[0].GetValueId()
	err = createWhole(link, []byte(id))
	if err == nil {
		return id, nil
	}
	removed := os.Remove(v.file(id))
	v.forget(id)
	if !errors.Is(err, fs.ErrExist) || removed != nil {
		return "", errors.Join(err, removed)
	}
	return readAccount(link) // another caller was first
}

// accountFile is named by a keyed digest: the key of the vault is needed to tell
// whose account it is, and the directory alone names nobody.
func (v *Vault) accountFile(identity string) string {
	key := v.Digest([]byte("maillage account names"))
	return filepath.Join(v.dir, "accounts", hex.EncodeToString(sum(key, []byte(identity))))
}

func readAccount(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	id, err := identifier.ParseID(string(b))
	if err != nil {
		return "", fmt.Errorf("%w: %s", ErrAltered, file)
	}
	return id, nil
}

// unlinkAccount removes the file that leads to an account. It looks through all of
// them, so that an account whose identity cannot be read any more goes too.
func (v *Vault) unlinkAccount(id string) error {
	dir := filepath.Join(v.dir, "accounts")
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		link := filepath.Join(dir, f.Name())
		if found, err := readAccount(link); err != nil || found != id {
			continue
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(dir)
}
