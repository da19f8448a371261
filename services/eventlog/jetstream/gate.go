package jetstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// ServiceKey is the file, in the directory of an embedded broker, with the seed that the
// register's own processes connect with. Who can read it can do all that they can.
const ServiceKey = "service.nk"

// kept is how long a connection is kept waiting until it is known who may connect: refused
// twice, as while the register starts, a client gives up for good.
const kept = time.Minute

// maxConns is how many connections a key may hold at once.
const maxConns = 16

// gate says who may connect to an embedded broker: the register's own processes, and the
// accounts admitted. Each proves that it holds the key. It is the server's Authentication.
type gate struct {
	service string // public key of the register's own
	ns      *server.Server

	known chan struct{} // closed once it is known who is admitted
	ended chan struct{} // closed when the server stops
	once  sync.Once

	admitting sync.Mutex
	leases    map[string]*lease // by name of the broker's account

	mu       sync.Mutex
	admitted map[string]admitted // by public key
}

// admitted is an account, and the connections that were opened with its key.
type admitted struct {
	Account
	at    *server.Account
	conns []uint64
}

func newGate(service string) *gate {
	return &gate{service: service, leases: map[string]*lease{}, known: make(chan struct{}), ended: make(chan struct{})}
}

// Check implements server.Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	if c.Kind() != server.CLIENT || !signed(c) {
		return false
	}
	key := c.GetOpts().Nkey
	if key == g.service {
		c.RegisterUser(&server.User{Username: "maillage"})
		return true
	}
	late := time.NewTimer(kept)
	defer late.Stop()
	select {
	case <-g.known:
	case <-g.ended:
		return false
	case <-late.C:
		return false
	}
	g.mu.Lock() // held while it is registered: it is then among those that admit cuts
	defer g.mu.Unlock()
	a, ok := g.admitted[key]
	if !ok || g.gone(c.GetID()) {
		return false
	}
	a.conns = slices.DeleteFunc(a.conns, g.gone)
	if len(a.conns) >= maxConns {
		return false
	}
	a.conns = append(a.conns, c.GetID())
	g.admitted[key] = a
	c.RegisterUser(&server.User{
		Username: a.Name, Account: a.at,
		Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: a.publish()},
			Subscribe: &server.SubjectPermission{Allow: a.subscribe()},
		},
	})
	return true
}

// end lets go of those that are kept waiting.
func (g *gate) end() { g.once.Do(func() { close(g.ended) }) }

// gone reports whether a connection has ended.
func (g *gate) gone(id uint64) bool { return g.ns.GetClient(id) == nil }

// signed reports whether a connection signed what it was given with the key it names.
func signed(c server.ClientAuthentication) bool {
	said := c.GetOpts()
	if !nkeys.IsValidPublicUserKey(said.Nkey) {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(said.Sig, "="))
	if err != nil {
		signature, err = base64.StdEncoding.DecodeString(said.Sig)
	}
	if err != nil {
		return false
	}
	pair, err := nkeys.FromPublicKey(said.Nkey)
	return err == nil && pair.Verify(c.GetNonce(), signature) == nil
}

// admit makes these accounts the ones that may connect, and cuts all others.
func (g *gate) admit(accounts []Account) error {
	g.admitting.Lock()
	defer g.admitting.Unlock()
	next := make(map[string]admitted, len(accounts))
	for _, a := range accounts {
		l := g.leases[a.account()]
		if l == nil {
			l = &lease{}
			g.leases[a.account()] = l
		}
		if err := l.borrow(g.ns, a); err != nil {
			return fmt.Errorf("account of %s: %w", a.Name, err)
		}
		next[a.Key] = admitted{Account: a, at: l.at}
	}
	g.mu.Lock()
	var cut []uint64
	for key, had := range g.admitted {
		if stays, ok := next[key]; ok && stays.Name == had.Name {
			stays.conns = had.conns
			next[key] = stays
			continue
		}
		cut = append(cut, had.conns...)
	}
	g.admitted = next
	select {
	case <-g.known:
	default:
		close(g.known)
	}
	g.mu.Unlock()
	for _, id := range cut {
		_ = g.ns.DisconnectClientByID(id) // it may have gone by itself
	}
	return nil
}

// serviceSeed is the seed in the broker's directory; a new one where there is none.
func serviceSeed(dir string) (seed, public string, err error) {
	path := filepath.Join(dir, ServiceKey)
	b, err := os.ReadFile(path)
	if err == nil {
		if public, err = PublicKey(string(b)); err == nil {
			return string(b), public, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	if seed, public, err = NewSeed(); err != nil {
		return "", "", err
	}
	whole := path + ".new"
	if err = os.WriteFile(whole, []byte(seed), 0o600); err == nil {
		err = os.Rename(whole, path)
	}
	return seed, public, err
}

// withSeed connects with the key of a seed.
func withSeed(seed string) (nats.Option, error) {
	public, err := PublicKey(seed)
	if err != nil {
		return nil, err
	}
	return nats.Nkey(public, func(nonce []byte) ([]byte, error) {
		pair, err := nkeys.FromSeed([]byte(seed))
		if err != nil {
			return nil, err
		}
		defer pair.Wipe()
		return pair.Sign(nonce)
	}), nil
}

// withCredentials connects with what a file holds: a NATS credentials file, or the seed of
// a user's key.
func withCredentials(path string) (nats.Option, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(b), "USER JWT") {
		return nats.UserCredentials(path), nil
	}
	return nats.NkeyOptionFromSeed(path)
}
