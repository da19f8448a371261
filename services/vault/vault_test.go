package vault

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	"maillage/services/identifier"
)

func open(tb testing.TB, dir string) *Vault {
	tb.Helper()
	v, err := Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func put(tb testing.TB, v *Vault, kind string, texts ...string) []*eventv1.PersonalValue {
	tb.Helper()
	values, err := v.Put(context.Background(), kind, texts...)
	if err != nil {
		tb.Fatal(err)
	}
	if len(values) != len(texts) {
		tb.Fatalf("%d values for %d texts", len(values), len(texts))
	}
	return values
}

func isText(t *testing.T, v *Vault, p *eventv1.PersonalValue, want string) {
	t.Helper()
	if got, ok, err := v.Get(p.GetValueId()); got != want || !ok || err != nil {
		t.Fatalf("Get: %q %v %v, want %q", got, ok, err, want)
	}
	if got, ok, err := v.Verify(p); got != want || !ok || err != nil {
		t.Fatalf("Verify: %q %v %v, want %q", got, ok, err, want)
	}
}

func isGone(t *testing.T, v *Vault, id string) {
	t.Helper()
	if got, ok, err := v.Get(id); got != "" || ok || err != nil {
		t.Fatalf("got %q %v %v, want nothing", got, ok, err)
	}
}

// grep returns the files below a directory that hold some bytes or are named so.
func grep(tb testing.TB, dir, text string) (found []string) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) || bytes.Contains([]byte(path), []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	for _, c := range []struct{ name, text, want string }{
		{"plain", "Pr Jeanne Morvan", "Pr Jeanne Morvan"},
		{"empty", "", ""},
		{"already NFC", "H\u00e9l\u00e8ne", "H\u00e9l\u00e8ne"},
		{"to NFC", "He\u0301le\u0300ne", "H\u00e9l\u00e8ne"},
		{"zero byte", "a\x00b", "a\x00b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := put(t, v, "person_name", c.text)[0]
			if _, err := identifier.ParseID(p.GetValueId()); err != nil || len(p.GetCommitment()) != 32 {
				t.Fatal(p, err)
			}
			isText(t, v, p, c.want)
			isText(t, open(t, dir), p, c.want)
			val, _, _ := v.get(p.GetValueId())
			h := hmac.New(sha256.New, val.salt[:])
			fmt.Fprintf(h, "person_name\x00%s", c.want)
			if !hmac.Equal(h.Sum(nil), p.GetCommitment()) {
				t.Fatal("the commitment is not HMAC-SHA-256(salt, kind 0 text)")
			}
		})
	}
	same := put(t, v, "rpps", "10001234567", "10001234567", "10001234567")
	if same[0].GetValueId() == same[1].GetValueId() || bytes.Equal(same[0].GetCommitment(), same[2].GetCommitment()) {
		t.Fatal("two values of one text can be told to be alike")
	}
	if none := put(t, v, "rpps"); len(none) != 0 {
		t.Fatal(none)
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	ctx := context.Background()
	for name, err := range map[string]error{
		"text":     second(v.Put(ctx, "person_name", "fine", "bad \xff")),
		"no kind":  second(v.Put(ctx, "", "fine")),
		"kind":     second(v.Put(ctx, "a\x00b", "fine")),
		"identity": second(v.Account("issuer", "bad \xff")),
	} {
		if !errors.Is(err, ErrText) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := v.Put(cancelled, "person_name", "fine"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	v.dir = filepath.Join(dir, "values") // some files cannot be created
	if err := os.MkdirAll(filepath.Join(v.dir, "values", "0"), 0o700); err != nil {
		t.Fatal(err)
	}
	many := make([]string, 200)
	for i := range many {
		many[i] = "fine"
	}
	if _, err := v.Put(ctx, "person_name", many...); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	v.dir = dir
	if found := grep(t, dir, "fine"); len(found) != 0 {
		t.Fatal("a refused value was kept", found)
	}
	for _, id := range []string{"", "..", "../key", "0", "ZZZZZZZZZZ", "aaaaaaaaaa"} {
		isGone(t, v, id)
		if err := v.Erase(id); err != nil {
			t.Error(id, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestErase(t *testing.T) {
	dir := t.TempDir()
	v, other := open(t, dir), open(t, dir)
	values := put(t, v, "person_name", "Quentin Delaunay-Erasmi", "Someone Else", "A Third")
	isText(t, other, values[0], "Quentin Delaunay-Erasmi")
	if found := grep(t, dir, "Erasmi"); len(found) != 1 {
		t.Fatal("one file a value", found)
	}
	for range 2 {
		if err := v.Erase(values[0].GetValueId()); err != nil {
			t.Fatal(err)
		}
	}
	if found := grep(t, dir, "Erasmi"); len(found) != 0 {
		t.Fatal(found)
	}
	isGone(t, v, values[0].GetValueId())
	isGone(t, other, values[0].GetValueId())
	isGone(t, open(t, dir), values[0].GetValueId())
	isText(t, v, values[1], "Someone Else")
}

func TestAltered(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	values := put(t, v, "person_name", "Anne Kerguelen", "Marc Kerguelen")
	id := values[0].GetValueId()
	whole, err := os.ReadFile(v.file(id))
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		if err := os.WriteFile(v.file(id), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for at := range whole {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << (at % 8)
		write(flipped)
		if text, _, err := open(t, dir).Get(id); !errors.Is(err, ErrAltered) {
			t.Fatalf("byte %d: %q %v", at, text, err)
		}
		write(whole[:at])
		if text, _, err := open(t, dir).Get(id); !errors.Is(err, ErrAltered) {
			t.Fatalf("cut at %d: %q %v", at, text, err)
		}
	}
	// A whole file that is another's, or that was made anew with another text.
	swapped, err := os.ReadFile(v.file(values[1].GetValueId()))
	if err != nil {
		t.Fatal(err)
	}
	write(swapped)
	if _, _, err := open(t, dir).Get(id); !errors.Is(err, ErrAltered) {
		t.Fatal(err)
	}
	write(value{id: id, kind: "person_name", text: "Forged"}.encode())
	if _, _, err := open(t, dir).Verify(values[0]); !errors.Is(err, ErrAltered) {
		t.Fatal(err)
	}
	if err := open(t, dir).Erase(id); err != nil {
		t.Fatal(err)
	}
	isGone(t, open(t, dir), id)
}

func TestAccount(t *testing.T) {
	dir := t.TempDir()
	v := open(t, dir)
	account := func(v *Vault, issuer, subject string) string {
		t.Helper()
		id, err := v.Account(issuer, subject)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	ids := map[string]bool{}
	for _, i := range [][2]string{
		{"https://idp", "marie.leroux"},
		{"https://idp", "paul"},
		{"https://id", "pmarie.leroux"},
		{"https://idp2", "marie.leroux"},
		{"https://idp", "e\u0301"},
		{"https://idp", "\u00e9"},
		{"a\nb", "c"},
		{"a", "b\nc"},
	} {
		id := account(v, i[0], i[1])
		if ids[id] || account(v, i[0], i[1]) != id || account(open(t, dir), i[0], i[1]) != id {
			t.Fatalf("account of %q is not its own or not stable", i)
		}
		ids[id] = true
	}
	for _, path := range grep(t, dir, "marie.leroux") {
		if filepath.Dir(filepath.Dir(path)) != filepath.Join(dir, "values") {
			t.Fatalf("a subject stands in %s", path)
		}
	}
	id := account(v, "https://idp", "marie.leroux")
	if text, ok, err := v.Get(id); text != `"https://idp" "marie.leroux"` || !ok || err != nil {
		t.Fatal(text, ok, err)
	}
	before := len(grep(t, dir, "leroux"))
	if err := v.Erase(id); err != nil {
		t.Fatal(err)
	}
	if len(grep(t, dir, "leroux")) != before-1 {
		t.Fatal("the identity is still there")
	}
	if account(v, "https://idp", "marie.leroux") == id {
		t.Fatal("an erased identity was recognised")
	}
	if err := os.Remove(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil {
		t.Fatal("a vault with accounts opened without its key")
	}
}

func TestDigestIsKeyed(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	d := open(t, a).Digest([]byte("x"))
	if len(d) != 32 || !bytes.Equal(d, open(t, a).Digest([]byte("x"))) || bytes.Equal(d, open(t, b).Digest([]byte("x"))) {
		t.Fatal("not a keyed digest that is stable in its vault")
	}
}

func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault")
	v := open(t, dir)
	put(t, v, "person_name", "A", "B", "C", "D")
	if _, err := v.Account("i", "s"); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestConcurrency(t *testing.T) {
	dir := t.TempDir()
	vaults := []*Vault{open(t, dir), open(t, dir)}
	var wg sync.WaitGroup
	accounts := make([]string, 8)
	errs := make(chan error, len(accounts))
	for i := range accounts {
		wg.Go(func() {
			v := vaults[i%2]
			var err error
			if accounts[i], err = v.Account("https://idp", "same"); err != nil {
				errs <- err
				return
			}
			for n := range 10 {
				values, err := v.Put(context.Background(), "person_name", fmt.Sprintf("Name %d %d", i, n))
				if err != nil {
					errs <- err
					return
				}
				id := values[0].GetValueId()
				text, ok, err := vaults[(i+1)%2].Get(id)
				if err != nil || !ok || text != fmt.Sprintf("Name %d %d", i, n) {
					errs <- fmt.Errorf("%q %v %w", text, ok, err)
					return
				}
				if err := v.Erase(id); err != nil {
					errs <- err
					return
				}
				if _, ok, _ := vaults[(i+1)%2].Get(id); ok {
					errs <- errors.New("read after it was erased")
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	for _, id := range accounts {
		if id != accounts[0] {
			t.Fatal("two accounts for one identity", accounts)
		}
	}
	if found := grep(t, dir, `"same"`); len(found) != 1 {
		t.Fatal("a lost race left its value behind", found)
	}
}

func TestCacheIsBounded(t *testing.T) {
	v := open(t, t.TempDir())
	kept := put(t, v, "person_name", "Kept")[0]
	for i := range 3 * cacheHalf {
		v.cache(value{id: fmt.Sprint(i)})
		if i%cacheHalf == 0 {
			isText(t, v, kept, "Kept")
		}
	}
	if n := len(v.young) + len(v.old); n > 2*cacheHalf {
		t.Fatalf("%d values in memory", n)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1, 2, 8, 2500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			v := open(b, b.TempDir())
			texts := make([]string, n)
			for i := range texts {
				texts[i] = fmt.Sprintf("Pr Prénom Nom-%d", i)
			}
			worst := time.Duration(0)
			for b.Loop() {
				start := time.Now()
				put(b, v, "person_name", texts...)
				worst = max(worst, time.Since(start))
			}
			b.ReportMetric(float64(worst.Milliseconds()), "worst-ms")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	dir := b.TempDir()
	id := put(b, open(b, dir), "person_name", "Pr Prénom Nom")[0].GetValueId()
	v := open(b, dir)
	for b.Loop() {
		if _, ok, err := v.Get(id); !ok || err != nil {
			b.Fatal(err)
		}
	}
}

// All values are found with what they hold, and those of which the file was altered are
// told of without hiding the others.
func TestValues(t *testing.T) {
	v, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put, err := v.Put(t.Context(), "head", "Dr UN", "Dr DEUX")
	if err != nil {
		t.Fatal(err)
	}
	account, err := v.Account("rpps", "10100234565")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.file(put[1].GetValueId()), []byte("else"), 0o600); err != nil {
		t.Fatal(err)
	}
	// What a process that was killed had begun, and what another one is about to write.
	if err := os.WriteFile(v.file(identifier.NewID()), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for one, err := range v.Values() {
		got[one.ID] = one.Kind + " " + one.Text
		if errors.Is(err, ErrAltered) {
			got[one.ID] = "altered"
		} else if err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{put[0].GetValueId(): "head Dr UN", put[1].GetValueId(): "altered", account: `account "rpps" "10100234565"`}
	if !maps.Equal(got, want) {
		t.Errorf("the vault holds %v, want %v", got, want)
	}
}
