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
// the stream, or of its mirror, that is made for him, and do nothing else there.
//
// He has an account of the broker to himself, beside that of the register, which lends him
// five services and the heads that are announced. Permissions alone would not hold him: the
// broker answers a request wherever its sender wants, and an empty answer at the right
// subject deletes the stream. In an account of his own, every answer stays with him.
type Account struct {
	Name     string   // of the durable: small letters, digits, hyphens
	Key      string   // public key of a NATS user
	Contexts []string // registry.<context>.> that he is handed; all where empty
	Added    uint64   // position of the log at which he was; another durable has another
	Mirror   bool     // whether he is handed what stands in MirrorName, and not the log's records
}

// Where an account finds what it may use.
const (
	StreamName     = streamName
	HeadSubject    = headSubject
	HeadGetSubject = headGetSubject
	APIPrefix      = "maillage.api" // in place of $JS.API
)

const (
	accountPrefix = "consumer-"    // of the broker's accounts
	mirrorPrefix  = "cloudevents-" // of those that are handed the mirror
	registerName  = "REGISTER"     // the register's, in the settings of an outside broker

	unacknowledged  = 30 * time.Second // comes again
	maxAckPending   = 20_000
	mark, markAdded = "maillage", "maillage-added" // metadata of the durables made here
)

// service is one that the register's account lends, the token of the durable's name left out,
// under the subject that an account knows it by, and whether many answers come to one request.
type service struct {
	before, as, after string
	many              bool
}

// lent is what the register's account lends of a stream. The API has a prefix of its own
// there: under the usual one every account hears from the broker, as well, that it has no
// streams.
func lent(stream string) []service {
	return []service{
		{"$JS.API.CONSUMER.MSG.NEXT." + stream + ".", APIPrefix + ".CONSUMER.MSG.NEXT." + stream + ".", "", true},
		{"$JS.API.CONSUMER.INFO." + stream + ".", APIPrefix + ".CONSUMER.INFO." + stream + ".", "", false},
		{"$JS.API.CONSUMER.RESET." + stream + ".", APIPrefix + ".CONSUMER.RESET." + stream + ".", "", false},
		{"$JS.ACK." + stream + ".", "$JS.ACK." + stream + ".", ".>", false},
	}
}

// stream is the one that an account is handed messages of, and the first token of its subjects.
func (a Account) stream() (name, root string) {
	if a.Mirror {
		return MirrorName, mirrorRoot
	}
	return streamName, logRoot
}

// account is its name among those of the broker. One that was added anew for the other stream
// is another: what was lent once stays lent.
func (a Account) account() string {
	if a.Mirror {
		return mirrorPrefix + a.Name
	}
	return accountPrefix + a.Name
}

// borrowed are the services that an account uses: the subject here, and there.
func (a Account) borrowed() (all [][2]string) {
	stream, _ := a.stream()
	for _, s := range lent(stream) {
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
	_, root := a.stream()
	for _, context := range a.Contexts {
		c.FilterSubjects = append(c.FilterSubjects, root+context+".>")
	}
	return c
}

// Broker settings of an account, in the language of nats-server. The register's account
// must export what it imports: see deploy/nats/registry.conf.
func (a Account) settings(b *strings.Builder) {
	fmt.Fprintf(b, "%s {\n  users: [ { nkey: %s, permissions: {\n    publish: { allow: [%s] }\n    subscribe: { allow: [%s] }\n  } } ]\n  imports: [\n",
		a.account(), a.Key, quoted(a.publish()), quoted(a.subscribe()))
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
// has come. The mirror is made where an account is handed it and there is none; where none is,
// it is left alone.
func (l *Log) KeepDurables(ctx context.Context, accounts []Account) error {
	s, err := l.js.Stream(ctx, streamName)
	if err != nil {
		return fmt.Errorf("durables: %w", err)
	}
	ofMirror, ofLog := parted(accounts)
	if err := keepDurables(ctx, s, ofLog); err != nil || len(ofMirror) == 0 {
		return err
	}
	mirror, err := l.ensureMirror(ctx, s.CachedInfo().Config.Replicas)
	if err != nil {
		return err
	}
	return keepDurables(ctx, mirror, ofMirror)
}

// parted are the accounts that are handed the mirror, and the others.
func parted(accounts []Account) (ofMirror, ofLog []Account) {
	for _, a := range accounts {
		if a.Mirror {
			ofMirror = append(ofMirror, a)
		} else {
			ofLog = append(ofLog, a)
		}
	}
	return ofMirror, ofLog
}

func keepDurables(ctx context.Context, s jetstream.Stream, accounts []Account) error {
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

// Acknowledged are the last positions that these accounts acknowledged, by name.
func (l *Log) Acknowledged(ctx context.Context, accounts []Account) (map[string]uint64, error) {
	streams := []string{streamName}
	if ofMirror, _ := parted(accounts); len(ofMirror) > 0 {
		streams = append(streams, MirrorName)
	}
	all := map[string]uint64{}
	for _, name := range streams {
		s, err := l.js.Stream(ctx, name)
		if name == MirrorName && errors.Is(err, jetstream.ErrStreamNotFound) {
			continue // it is being made anew
		}
		if err != nil {
			return nil, fmt.Errorf("durables: %w", err)
		}
		list := s.ListConsumers(ctx)
		for info := range list.Info() {
			if info.Config.Metadata[mark] != "" {
				all[info.Name] = info.AckFloor.Stream
			}
		}
		if err := list.Err(); err != nil {
			return nil, fmt.Errorf("durables: %w", err)
		}
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
	for _, s := range append(lent(streamName), lent(MirrorName)...) {
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

// lease is a broker's account that is being joined to the register's. One that was cut short
// is gone on with, and is not used before it is whole: a broker's account, once registered,
// stays, and what is lent to it twice is refused.
type lease struct {
	at   *server.Account
	done int // of what it borrows, in order
}

// borrow joins the broker's account of one outside to the register's, from where it was left.
func (l *lease) borrow(ns *server.Server, a Account) error {
	if l.at == nil {
		l.at, _ = ns.LookupOrRegisterAccount(a.account())
	}
	services := a.borrowed()
	for ; l.done < len(services); l.done++ {
		if err := l.at.AddServiceImport(ns.GlobalAccount(), services[l.done][0], services[l.done][1]); err != nil {
			return err
		}
	}
	if l.done == len(services) {
		if err := l.at.AddStreamImport(ns.GlobalAccount(), headSubject, ""); err != nil {
			return err
		}
		l.done++
	}
	return nil
}
