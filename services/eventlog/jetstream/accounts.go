package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
)

// Account is somebody outside who may follow the log at the broker, through a durable of
// the stream that is made for him, and do nothing else there.
//
// He has an account of the broker to himself, beside that of the register, which lends him
// four services and the heads that are announced. Permissions alone would not hold him: the
// broker answers a request wherever its sender wants, and an empty answer at the right
// subject deletes the stream. In an account of his own, every answer stays with him.
type Account struct {
	Name     string   // of the durable: small letters, digits, hyphens
	Key      string   // public key of a NATS user
	Contexts []string // registry.<context>.> that he is handed; all where empty
	Added    uint64   // position of the log at which he was; another durable has another
}

// Where an account finds what it may use.
const (
	StreamName     = streamName
	HeadSubject    = headSubject
	HeadGetSubject = headGetSubject
	APIPrefix      = "maillage.api" // in place of $JS.API
)

const (
	accountPrefix = "consumer-" // of the broker's accounts
	registerName  = "REGISTER"  // the register's, in the settings of an outside broker

	unacknowledged  = 30 * time.Second // comes again
	maxAckPending   = 20_000
	mark, markAdded = "maillage", "maillage-added" // metadata of the durables made here
)

// lent is what the register's account lends: services, the token of the durable's name left
// out, under the subject that an account knows them by, and whether many answers come to one
// request. The API has a prefix of its own there: under the usual one every account hears
// from the broker, as well, that it has no streams.
var lent = []struct {
	before, as, after string
	many              bool
}{
	{"$JS.API.CONSUMER.MSG.NEXT." + streamName + ".", APIPrefix + ".CONSUMER.MSG.NEXT." + streamName + ".", "", true},
	{"$JS.API.CONSUMER.INFO." + streamName + ".", APIPrefix + ".CONSUMER.INFO." + streamName + ".", "", false},
	{"$JS.API.CONSUMER.RESET." + streamName + ".", APIPrefix + ".CONSUMER.RESET." + streamName + ".", "", false},
	{"$JS.ACK." + streamName + ".", "$JS.ACK." + streamName + ".", ".>", false},
}

// borrowed are the services that an account uses: the subject here, and there.
func (a Account) borrowed() (all [][2]string) {
	for _, s := range lent {
		all = append(all, [2]string{s.as + a.Name + s.after, s.before + a.Name + s.after})
	}
	return append(all, [2]string{headGetSubject, headGetSubject})
}

// publish and subscribe are all the subjects that an account may use.
func (a Account) publish() (all []string) {
	for _, s := range a.borrowed() {
		all = append(all, s[0])
	}
	return all
}

func (Account) subscribe() []string { return []string{"_INBOX.>", headSubject} }

// durable is the consumer of the stream that an account is handed records by. To
// acknowledge one acknowledges all before it, and what is not comes again.
func (a Account) durable() jetstream.ConsumerConfig {
	c := jetstream.ConsumerConfig{
		Durable:       a.Name,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckAllPolicy,
		AckWait:       unacknowledged,
		MaxAckPending: maxAckPending,
		// A request lent to another account is forgotten after two minutes.
		MaxRequestExpires: time.Minute,
		Metadata:          map[string]string{mark: "consumer", markAdded: strconv.FormatUint(a.Added, 10)},
	}
	for _, context := range a.Contexts {
		c.FilterSubjects = append(c.FilterSubjects, "registry."+context+".>")
	}
	return c
}

// Broker settings of an account, in the language of nats-server. The register's account
// must export what it imports: see deploy/nats/registry.conf.
func (a Account) settings(b *strings.Builder) {
	fmt.Fprintf(b, "%s%s {\n  users: [ { nkey: %s, permissions: {\n    publish: { allow: [%s] }\n    subscribe: { allow: [%s] }\n  } } ]\n  imports: [\n",
		accountPrefix, a.Name, a.Key, quoted(a.publish()), quoted(a.subscribe()))
	for _, s := range a.borrowed() {
		fmt.Fprintf(b, "    { service: { account: %s, subject: %q }, to: %q }\n", registerName, s[1], s[0])
	}
	fmt.Fprintf(b, "    { stream: { account: %s, subject: %q } }\n  ]\n}\n", registerName, headSubject)
}

func quoted(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ", ")
}

// Settings are what a broker that runs by itself must have among its accounts of those who
// may follow there.
func Settings(all []Account) string {
	var b strings.Builder
	b.WriteString("# Those who follow at the broker: written by « maillage consumer list --broker-settings ».\n")
	for _, a := range all {
		a.settings(&b)
	}
	return b.String()
}

// NewSeed makes a pair of keys: the seed, which is the secret half, as a file of credentials
// holds it, and the public key.
func NewSeed() (seed, public string, err error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", "", err
	}
	defer pair.Wipe()
	secret, err := pair.Seed()
	if err != nil {
		return "", "", err
	}
	public, err = pair.PublicKey()
	return string(secret), public, err
}

// PublicKey is the public half of a seed that NewSeed made.
func PublicKey(seed string) (string, error) {
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(seed)))
	if err != nil {
		return "", err
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	if err == nil && !nkeys.IsValidPublicUserKey(public) {
		err = errors.New("it is no user's key")
	}
	return public, err
}

// IsPublicKey reports whether a text is the public key of a user, its check included.
func IsPublicKey(s string) bool { return nkeys.IsValidPublicUserKey(s) }

// KeepDurables makes the durables that these accounts lack and deletes those of others that
// were made here. One that stands as it should is not touched: it knows how far its account
// has come.
func (l *Log) KeepDurables(ctx context.Context, accounts []Account) error {
	s, err := l.js.Stream(ctx, streamName)
	if err != nil {
		return fmt.Errorf("durables: %w", err)
	}
	there := map[string]*jetstream.ConsumerInfo{}
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		there[info.Name] = info
	}
	if err := list.Err(); err != nil {
		return fmt.Errorf("durables: %w", err)
	}
	for name, info := range there {
		ours := info.Config.Metadata[mark] != ""
		stays := slices.ContainsFunc(accounts, func(a Account) bool { return a.Name == name && a.is(info) })
		if !stays && (ours || slices.ContainsFunc(accounts, func(a Account) bool { return a.Name == name })) {
			if err := s.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
				return fmt.Errorf("deleting durable %s: %w", name, err)
			}
			delete(there, name)
		}
	}
	for _, a := range accounts {
		if there[a.Name] != nil {
			continue
		}
		if _, err := s.CreateConsumer(ctx, a.durable()); err != nil {
			return fmt.Errorf("making durable %s: %w", a.Name, err)
		}
	}
	return nil
}

// is reports whether a durable is the account's.
func (a Account) is(info *jetstream.ConsumerInfo) bool {
	want, have := a.durable(), info.Config
	filters := have.FilterSubjects
	if have.FilterSubject != "" {
		filters = []string{have.FilterSubject}
	}
	return have.Metadata[markAdded] == want.Metadata[markAdded] && slices.Equal(filters, want.FilterSubjects) &&
		have.AckPolicy == want.AckPolicy && have.DeliverPolicy == want.DeliverPolicy && have.DeliverSubject == "" &&
		have.InactiveThreshold == 0 && have.PauseUntil == nil
}

// Acknowledged are the last positions that accounts acknowledged, by name.
func (l *Log) Acknowledged(ctx context.Context) (map[string]uint64, error) {
	s, err := l.js.Stream(ctx, streamName)
	if err != nil {
		return nil, fmt.Errorf("durables: %w", err)
	}
	all := map[string]uint64{}
	list := s.ListConsumers(ctx)
	for info := range list.Info() {
		if info.Config.Metadata[mark] != "" {
			all[info.Name] = info.AckFloor.Stream
		}
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("durables: %w", err)
	}
	return all, nil
}

// Admit lets these accounts connect and nobody else from outside: those no longer among
// them are cut. Until it is first called, they are kept waiting.
func (s *Server) Admit(accounts []Account) error {
	if s.gate == nil {
		return errors.New("this broker takes anyone")
	}
	return s.gate.admit(accounts)
}

// lend makes the register's account lend what the accounts of others may use.
func lend(ns *server.Server) error {
	register := ns.GlobalAccount()
	for _, s := range lent {
		kind := server.Singleton
		if s.many {
			kind = server.Streamed
		}
		if err := register.AddServiceExportWithResponse(s.before+"*"+s.after, kind, nil); err != nil {
			return err
		}
	}
	if err := register.AddServiceExport(headGetSubject, nil); err != nil {
		return err
	}
	return register.AddStreamExport(headSubject, nil)
}

// borrow is the broker's account of one outside.
func (a Account) borrow(ns *server.Server) (*server.Account, error) {
	acc, fresh := ns.LookupOrRegisterAccount(accountPrefix + a.Name)
	if !fresh {
		return acc, nil
	}
	for _, s := range a.borrowed() {
		if err := acc.AddServiceImport(ns.GlobalAccount(), s[0], s[1]); err != nil {
			return nil, err
		}
	}
	return acc, acc.AddStreamImport(ns.GlobalAccount(), headSubject, "")
}
