package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"

	"maillage/proto/follow"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	"maillage/services/fault"
	"maillage/services/notice"
	"maillage/services/sink"
)

// FollowCmd follows the register.
type FollowCmd struct {
	Client
	After        uint64        `placeholder:"N" xor:"from" help:"À partir de la position qui suit celle-ci ; du début par défaut. Une copie (--sink) reprend d'elle-même où elle en est."`
	Cursor       string        `placeholder:"CURSEUR" xor:"from" help:"À partir d'un curseur reçu du registre."`
	Now          bool          `xor:"from" help:"À partir de maintenant."`
	FromSnapshot string        `name:"from-snapshot" placeholder:"RÉPERTOIRE|URL" xor:"from" help:"Commencer la copie par les fichiers de « maillage snapshot », ou par ceux d'une adresse (…/v1/snapshots/latest) ; une copie commencée reprend d'elle-même."`
	Context      []string      `placeholder:"CONTEXTE" enum:"topology,labelling,activity,ledger" help:"topology, labelling, activity ou ledger ; plusieurs séparés par des virgules."`
	Kind         []string      `placeholder:"SORTE" help:"Sortes d'entités : label, act, centre…"`
	ID           []string      `name:"id" placeholder:"ID" help:"Ce qui concerne ces entités."`
	Notices      bool          `help:"Les avis seuls (voir « maillage notice list »)."`
	Sink         string        `placeholder:"COPIE" help:"Tenir une copie : jsonl:FICHIER ou postgres:URL."`
	Key          []string      `type:"existingfile" placeholder:"CLÉ.pub" help:"Clé publique du registre : ses points de contrôle sont vérifiés et gardés avec la copie ; avec un filtre, que chacun prolonge le précédent."`
	Prove        bool          `help:"Avec --key et un filtre : ne rien prendre qui ne soit prouvé être dans un journal signé ; chaque événement demande une preuve de plus."`
	Heartbeat    time.Duration `default:"5s" help:"Le plus long silence demandé au registre, d'une seconde à une minute ; après trois, il est rappelé."`
	UntilUp      bool          `name:"until-up-to-date" help:"S'arrêter une fois à jour ; échouer si le registre ne dit rien pendant --timeout."`
}

// errUpToDate ends a run that was to end there.
var errUpToDate = errors.New("up to date")

// Run follows until it is ended.
func (c *FollowCmd) Run(a *app) error {
	conn, err := a.dial()
	if err != nil {
		return err
	}
	err = c.follow(a, conn)
	if errors.Is(err, errUpToDate) || a.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, conn.Close())
}

func (c *FollowCmd) follow(a *app, conn grpc.ClientConnInterface) error {
	ctx, giveUp := context.WithCancelCause(a.ctx)
	defer giveUp(nil)
	keys, err := verifiers(c.Key)
	if err != nil {
		return err
	}
	if c.Prove && len(keys) == 0 {
		return usage("--prove demande la clé publique du registre : --key CLÉ.pub")
	}
	heard := time.Now()
	f := &follow.Follower{Keys: keys, Client: feedv1.NewFeedServiceClient(conn), Proofs: ledgerv1.NewProofServiceClient(conn), Prove: c.Prove, Filter: c.filter(), Heartbeat: c.Heartbeat, Retry: func(err error, delay time.Duration) {
		if c.UntilUp && time.Since(heard) > a.client.Timeout { // somebody waits for the end
			giveUp(err)
			return
		}
		text, _ := a.explain(err)
		fmt.Fprintf(a.stderr, "maillage : %s ; nouvel essai dans %s\n", harmless(text), delay.Round(100*time.Millisecond))
	}}
	from, take, done, err := c.begin(a, f)
	if err != nil {
		return err
	}
	err = f.Run(ctx, from, func(ctx context.Context, b follow.Batch) error {
		if err := take(ctx, b); err != nil {
			return err
		}
		heard = time.Now()
		if c.UntilUp && b.Head != nil && (b.After.Position >= b.Head.GetSize() || f.Filter != nil) {
			return errUpToDate
		}
		return nil
	})
	if a.ctx.Err() == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if errors.Is(err, follow.ErrFilter) {
		err = usage("cette copie a été faite avec un autre filtre : donnez le même, ou une autre copie")
	}
	return errors.Join(err, done())
}

// begin is where to go on, and what is done with what comes.
func (c *FollowCmd) begin(a *app, f *follow.Follower) (from follow.Place, take follow.Handler, done func() error, err error) {
	take, done = func(_ context.Context, b follow.Batch) error { return c.print(a, b) }, func() error { return nil }
	if c.Sink != "" {
		kept, err := sink.Open(a.ctx, c.Sink)
		if err != nil {
			return from, nil, nil, c.unusable(err)
		}
		if from, err = kept.Place(a.ctx); err != nil {
			return from, nil, nil, errors.Join(c.unusable(err), kept.Close())
		}
		take, done = func(ctx context.Context, b follow.Batch) error {
			if err := kept.Take(ctx, b); err != nil && ctx.Err() == nil {
				return c.unusable(err)
			}
			return ctx.Err()
		}, kept.Close
	}
	if c.FromSnapshot != "" && (c.Sink == "" || f.Filter != nil) {
		return from, nil, nil, errors.Join(usage("--from-snapshot commence une copie entière : il va avec --sink, et sans --context, --kind ni --id"), done())
	}
	began := from.Position > 0 || from.Cursor != ""
	switch {
	case began && (c.After > 0 || c.Cursor != "" || c.Now):
		return from, nil, nil, errors.Join(usage(fmt.Sprintf("la copie %s en est à la position %d : elle reprend de là, sans --after, --cursor ni --now", c.Sink, from.Position)), done())
	case began:
		return from, take, done, nil
	case c.FromSnapshot != "":
		if from, err = c.replay(a, take); err != nil {
			return from, nil, nil, errors.Join(err, done())
		}
		return from, take, done, nil
	case c.Now:
		r, err := f.Client.ListEvents(a.ctx, &feedv1.ListEventsRequest{PageSize: 1})
		if err != nil {
			return from, nil, nil, errors.Join(err, done())
		}
		c.After = r.GetHeadPosition()
	}
	from, err = follow.From(c.After, c.Cursor, f.Filter)
	if c.After == 0 && c.Cursor == "" {
		from = follow.Place{}
	}
	return from, take, done, err
}

func (c *FollowCmd) filter() *feedv1.Filter {
	if len(c.Context)+len(c.Kind)+len(c.ID) == 0 && !c.Notices {
		return nil
	}
	return &feedv1.Filter{Contexts: c.Context, Kinds: c.Kind, Ids: c.ID, Notices: c.Notices}
}

// print shows each commit as an object, or each event as a line.
func (c *FollowCmd) print(a *app, b follow.Batch) error {
	for _, one := range b.Commits {
		if a.json {
			if err := a.printJSON(one); err != nil {
				return err
			}
			continue
		}
		for _, r := range one.GetRecords() {
			subject := strings.TrimPrefix(r.GetSubject(), "registry.")
			context, _, _ := strings.Cut(subject, ".")
			fact := unknownFact
			if _, name, _, err := notice.Decode(context, r.GetBody()); err == nil && factNames[name] != "" {
				fact = factNames[name]
			}
			if _, err := fmt.Fprintf(a.stdout, "%8d  %s  %-40s  %s\n", r.GetPosition(), frTime(one.GetKnownTime()), fact, harmless(subject)); err != nil {
				return err
			}
		}
	}
	return nil
}

// unusable says why a copy cannot be kept.
func (c *FollowCmd) unusable(err error) error {
	switch {
	case errors.Is(err, sink.ErrAltered):
		return err
	case errors.Is(err, sink.ErrTaken):
		return fault.New(fault.Refused, "COPY_TAKEN", "", "%v", err)
	case errors.Is(err, sink.ErrName):
		return usage("--sink s'écrit jsonl:FICHIER ou postgres://COMPTE@HÔTE/BASE")
	}
	return fault.New(fault.Unavailable, "COPY_UNUSABLE", "", "%v", err)
}

// damagedCopy says why a copy, or the register that it is of, is not what it was; empty
// for any other error.
func damagedCopy(err error) string {
	if fork, ok := errors.AsType[*follow.ForkError](err); ok {
		same := ""
		if fork.Common > 0 {
			same = fmt.Sprintf(" ; les deux sont les mêmes jusqu'à la position %d", fork.Common)
		}
		return "le registre n'est plus celui qui a été suivi" + same + ". Mettez la copie de côté et reprenez-en une du début"
	}
	if gap, ok := errors.AsType[*follow.GapError](err); ok && !errors.Is(err, sink.ErrAltered) {
		return fmt.Sprintf("la position %d est venue à la place de la %d : elle n'a pas été prise, prévenez l'exploitant", gap.Got, gap.Want)
	}
	if errors.Is(err, sink.ErrAltered) {
		return "la copie a été modifiée depuis qu'elle a été faite. Mettez-la de côté et reprenez-en une du début [" + err.Error() + "]"
	}
	return ""
}
