package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
	"maillage/services/route"
	"maillage/services/serve"
	"maillage/services/submit"
)

// The greatest messages sent and received: an act of 10,000 lines is some 10 MiB.
const (
	maxSend    = 20 << 20
	maxReceive = 64 << 20
)

// Client is the flags of every verb that asks a server.
type Client struct {
	Server  string        `default:"127.0.0.1:9090" env:"MAILLAGE_SERVER" placeholder:"HÔTE:PORT" help:"Adresse gRPC du registre ; ou, services séparés, « topology=HÔTE:PORT,labelling=HÔTE:PORT,… » : un service non nommé est à la première adresse, un service nommé deux fois a deux processus."`
	As      string        `env:"MAILLAGE_AS" placeholder:"COMPTE" help:"Identité de développement : au nom de qui agir."`
	Timeout time.Duration `default:"1m" help:"Délai d'attente de chaque réponse."`

	Bundle    string   `type:"existingfile" placeholder:"PAQUET" help:"Lire hors ligne, dans un paquet de « maillage audit bundle »."`
	BundleKey []string `type:"existingfile" placeholder:"CLÉ.pub" help:"Clé publique qui doit avoir signé ce paquet."`
}

// AfterApply hands the flags on to the verb.
func (c Client) AfterApply(a *app) error {
	if c.Timeout <= 0 {
		return usage("--timeout : un délai est plus long que zéro, par exemple 30s, 2m ou 1h")
	}
	if strings.ContainsFunc(c.As, func(r rune) bool { return r < ' ' || r > '~' }) {
		return usage("--as « " + c.As + " » : un compte s'écrit sans accent, en lettres, chiffres et signes simples")
	}
	a.client = c
	return nil
}

// dial returns a connection to the server, made when it is first used.
func (a *app) dial() (*route.Conn, error) {
	conn, err := route.Dial(a.client.Server, serve.Names(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(maxSend), grpc.MaxCallRecvMsgSize(maxReceive)),
		grpc.WithChainUnaryInterceptor(submit.Connect(a.client.As), a.inTime))
	if err != nil {
		return nil, usageError{fmt.Errorf("« %s » : une adresse s'écrit HÔTE:PORT, ou SERVICE=HÔTE:PORT, plusieurs séparées par des virgules (services : %s) [%w]",
			a.client.Server, strings.Join(serve.Names(), ", "), err)}
	}
	return conn, nil
}

// inTime gives each call the time allowed.
func (a *app) inTime(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, a.client.Timeout)
	defer cancel()
	return call(ctx, method, req, reply, conn, opts...)
}

// ask makes a connection, lets use call over it, and closes it.
func (a *app) ask(use func(ctx context.Context, conn grpc.ClientConnInterface) error) error {
	if a.replayed != nil {
		return use(a.ctx, a.replayed)
	}
	if a.client.Bundle != "" {
		return a.offline(use)
	}
	conn, err := a.dial()
	if err != nil {
		return err
	}
	return errors.Join(use(a.ctx, conn), conn.Close())
}

// Moment is the flags of a read: the moment it is about.
type Moment struct {
	ValidAt     day        `name:"valid-at" placeholder:"AAAA-MM-JJ" help:"Valable à cette date (heure de Paris) ; aujourd'hui par défaut."`
	KnownAt     knownAt    `name:"known-at" placeholder:"POSITION|DATE" help:"Tel que connu à cette position, à cet instant (RFC 3339), ou au début de ce jour (AAAA-MM-JJ, 0 h à Paris)."`
	MinPosition uint64     `name:"min-position" placeholder:"N" help:"Attendre que cette position soit lisible."`
	PublishedBy day        `name:"published-by" placeholder:"AAAA-MM-JJ" help:"D'après les seuls actes publiés à cette date."`
	Window      windowFlag `placeholder:"FENÊTRE" help:"légale (par défaut) ou opérationnelle."`
}

func (m Moment) asOf() *registryv1.AsOf {
	out := &registryv1.AsOf{
		ValidAt: string(m.ValidAt), MinPosition: m.MinPosition, PublishedBy: string(m.PublishedBy), Window: registryv1.Window(m.Window),
	}
	switch {
	case !m.KnownAt.time.IsZero():
		out.KnownAt = &registryv1.AsOf_KnownTime{KnownTime: timestamppb.New(m.KnownAt.time)}
	case m.KnownAt.set:
		out.KnownAt = &registryv1.AsOf_KnownPosition{KnownPosition: m.KnownAt.position}
	}
	return out
}

var dayShape = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// day is a full civil date.
type day string

func (d *day) UnmarshalText(text []byte) error {
	if _, err := bitemporal.ParseDate(string(text)); err != nil && dayShape.Match(text) {
		return fmt.Errorf("« %s » n'est pas un jour du calendrier (AAAA-MM-JJ)", text)
	} else if err != nil {
		return fmt.Errorf("« %s » : une date complète s'écrit AAAA-MM-JJ", text)
	}
	*d = day(text)
	return nil
}

// knownAt is a position or an instant.
type knownAt struct {
	set      bool
	position uint64
	time     time.Time
}

func (k *knownAt) UnmarshalText(text []byte) error {
	s := string(text)
	k.set = true
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		k.position = n
		return nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		k.time = t
		return nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, paris); err == nil {
		k.time = t
		return nil
	}
	return fmt.Errorf("« %s » n'est ni une position, ni un instant (2026-01-31T12:00:00+01:00), ni un jour AAAA-MM-JJ", s)
}

// id is an id in its canonical form.
type id string

func (i *id) UnmarshalText(text []byte) error {
	if len(text) == 0 { // a flag given empty is one left out
		return nil
	}
	canonical, err := identifier.ParseID(string(text))
	*i = id(canonical)
	if bad, is := errors.AsType[*identifier.Error](err); is && bad.Kind == identifier.BadCheck {
		return fmt.Errorf("« %s » %s", text, idMistyped)
	}
	if err != nil {
		return fmt.Errorf("« %s » : %s", text, idShape)
	}
	return nil
}

// Grounds is the flags of a command: what it rests on.
type Grounds struct {
	RequestID string       `name:"request-id" placeholder:"CLÉ" help:"Clé d'idempotence : répétée avec la même demande, elle n'ajoute rien."`
	Source    string       `group:"fondement" help:"Où le fait a été lu : adresse ou référence."`
	ByAct     id           `name:"act" group:"fondement" placeholder:"ID" help:"Acte qui le décide."`
	Line      uint32       `name:"act-line" group:"fondement" help:"Ligne de son annexe."`
	Evidence  evidenceFlag `group:"fondement" help:"lu dans l'acte (ou : acte lu), acte cité, énoncé, déduit ou proposé ; par défaut acte lu avec --act, énoncé sinon."`
	Seen      string       `group:"fondement" placeholder:"DATE" help:"Jour où la source a été vue."`
	Note      string       `group:"fondement" help:"Remarque, sans aucun nom de personne : elle reste au journal, où rien ne s'efface."`
}

func (g Grounds) basis() *eventv1.Basis {
	out := &eventv1.Basis{
		ActId: string(g.ByAct), ActLine: g.Line, Source: g.Source, Evidence: eventv1.Evidence(g.Evidence),
		SeenDate: g.Seen, Note: g.Note,
	}
	switch {
	case g.Evidence != 0:
	case g.ByAct != "":
		out.Evidence = eventv1.Evidence_EVIDENCE_ACT_READ
	default:
		out.Evidence = eventv1.Evidence_EVIDENCE_STATED
	}
	return out
}

// request is the request_id of a command: the one given, or one minted here, so that
// a command whose outcome is unknown can be repeated under it.
func (a *app) request(given string) string {
	a.requestID = given
	if given == "" {
		a.requestID = uuid.Must(uuid.NewV7()).String()
	}
	return a.requestID
}

// isURL tells the address of a broker elsewhere from one to listen on.
func isURL(s string) bool { return strings.Contains(s, "://") }
