package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"google.golang.org/grpc"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/eventlog/jetstream"
	"maillage/services/fault"
)

// ConsumerCmd is the verbs about those who follow at the broker itself.
type ConsumerCmd struct {
	Client
	Add    ConsumerAddCmd    `cmd:"" help:"Ouvrir à quelqu'un un accès en lecture au flux NATS, et rien d'autre."`
	Remove ConsumerRemoveCmd `cmd:"" help:"Fermer cet accès : la connexion est coupée aussitôt."`
	List   ConsumerListCmd   `cmd:"" help:"Lister ces accès, et jusqu'où chacun a lu."`
}

// because is the flags of a command about a consumer: what it rests on.
type because struct {
	RequestID string `name:"request-id" placeholder:"CLÉ" help:"Clé d'idempotence : répétée avec la même demande, elle n'ajoute rien."`
	Source    string `default:"maillage consumer" help:"Sur quoi cela repose : une convention, une demande, sans nom de personne."`
	Note      string `help:"Remarque, sans aucun nom de personne : elle reste au journal, où rien ne s'efface."`
}

func (b because) basis() *eventv1.Basis {
	return &eventv1.Basis{Source: b.Source, Note: b.Note, Evidence: eventv1.Evidence_EVIDENCE_STATED}
}

// consumerName is what the register takes as the name of an access; it is also, unless told
// otherwise, that of the file of its key.
type consumerName string

func (n *consumerName) UnmarshalText(text []byte) error {
	if len(text) > 32 || !consumerShape.Match(text) {
		return fmt.Errorf("« %s » : le nom d'un accès s'écrit en minuscules sans accent, chiffres et traits d'union, une lettre d'abord, 32 caractères au plus", text)
	}
	*n = consumerName(text)
	return nil
}

var consumerShape = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// ConsumerAddCmd lets somebody follow at the broker.
type ConsumerAddCmd struct {
	Name        consumerName `arg:"" placeholder:"NOM" help:"Nom de l'accès, qui est aussi celui du durable : minuscules, chiffres et traits d'union."`
	Key         string       `type:"path" placeholder:"FICHIER" help:"Fichier de la clé secrète, créé ici et lisible de vous seul (par défaut NOM.nk) ; s'il existe déjà, la clé qu'il contient est prise."`
	Context     []string     `placeholder:"CONTEXTE" enum:"topology,labelling,activity,ledger" help:"topology, labelling, activity ou ledger, plusieurs séparés par des virgules ; tous par défaut."`
	CloudEvents bool         `name:"cloudevents" help:"Remettre des CloudEvents en mode binaire, d'un flux à part : il est rempli dès que quelqu'un le demande."`
	because
}

// Run makes the key, which does not leave this machine, and hands over its public half.
func (c *ConsumerAddCmd) Run(a *app) error {
	if c.Key == "" {
		c.Key = string(c.Name) + ".nk"
	}
	public, made, err := keyIn(c.Key)
	if err != nil {
		return err
	}
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := feedv1.NewConsumerServiceClient(conn).AddConsumer(ctx, &feedv1.AddConsumerRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), Name: string(c.Name), PublicKey: public, Contexts: c.Context, CloudEvents: c.CloudEvents,
		})
		if made && certain(err) {
			err = errors.Join(err, os.Remove(c.Key))
		}
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		_, err = fmt.Fprintf(a.stdout, "L'accès %s est ouvert (position %d).\n  Clé       %s (secrète : à remettre à qui suit, et à lui seul)\n  Courtier  %s\n  Flux      %s, durable %s, préfixe d'API %s\n  Têtes     %s, la dernière par %s\n",
			c.Name, r.GetPosition(), c.Key, r.GetAccess().GetUrl(), r.GetAccess().GetStream(), r.GetAccess().GetDurable(), r.GetAccess().GetApiPrefix(), r.GetAccess().GetHeadSubject(), r.GetAccess().GetHeadGetSubject())
		return errors.Join(err, a.tellSettings(r.GetBrokerSettings()))
	})
}

// certain says whether a command was refused, so that nothing came of it.
func certain(err error) bool {
	own, reasoned := fault.FromStatus(err)
	return reasoned && (own.Kind == fault.Invalid || own.Kind == fault.Refused || own.Kind == fault.NotFound || own.Kind == fault.Conflict)
}

// keyIn is the public half of the key in a file, which is made where there is none.
func keyIn(file string) (public string, made bool, err error) {
	held, err := os.ReadFile(file)
	if err == nil {
		if public, err = jetstream.PublicKey(string(held)); err != nil {
			return "", false, usage("--key « " + file + " » : ce fichier existe et n'est pas une clé d'accès ; donnez-en un autre")
		}
		return public, false, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	seed, public, err := jetstream.NewSeed()
	if err != nil {
		return "", false, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", false, err
	}
	_, err = f.WriteString(seed) // and no end of line, which some clients would take for a part of it
	return public, true, errors.Join(err, f.Sync(), f.Close())
}

// tellSettings says what an outside broker must be told.
func (a *app) tellSettings(settings string) error {
	if settings == "" {
		return nil
	}
	_, err := fmt.Fprintf(a.stdout, "\nLe courtier n'est pas celui du registre. Mettez ceci dans le fichier des consommateurs qu'incluent ses réglages, puis faites-les-lui relire, deux fois (nats-server --signal reload) : un compte neuf n'est relié au registre qu'à la seconde.\n\n%s", settings)
	return err
}

// ConsumerRemoveCmd ends an access.
type ConsumerRemoveCmd struct {
	Name   consumerName `arg:"" placeholder:"NOM" help:"Nom de l'accès."`
	Reason string       `help:"Motif, sans nom de personne."`
	because
}

// Run removes it.
func (c *ConsumerRemoveCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := feedv1.NewConsumerServiceClient(conn).RemoveConsumer(ctx, &feedv1.RemoveConsumerRequest{
			RequestId: a.request(c.RequestID), Basis: c.basis(), Name: string(c.Name), Reason: c.Reason,
		})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		_, err = fmt.Fprintf(a.stdout, "L'accès %s est fermé (position %d).\n", c.Name, r.GetPosition())
		return errors.Join(err, a.tellSettings(r.GetBrokerSettings()))
	})
}

// ConsumerListCmd lists who may follow.
type ConsumerListCmd struct {
	MinPosition    uint64 `name:"min-position" placeholder:"N" help:"Attendre que cette position soit lisible."`
	BrokerSettings bool   `name:"broker-settings" help:"N'écrire que ce qu'un courtier extérieur doit avoir dans ses réglages ; rien pour celui du registre."`
}

// Run prints them.
func (c *ConsumerListCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := feedv1.NewConsumerServiceClient(conn).ListConsumers(ctx, &feedv1.ListConsumersRequest{MinPosition: c.MinPosition})
		if err != nil {
			return err
		}
		if c.BrokerSettings {
			_, err := fmt.Fprint(a.stdout, r.GetBrokerSettings())
			return err
		}
		rows := [][]string{{"Accès", "Depuis", "Flux", "Contextes", "Lu jusqu'à", "Clé publique"}}
		for _, one := range r.GetConsumers() {
			if a.json {
				if err := a.printJSON(one); err != nil {
					return err
				}
				continue
			}
			contexts := strings.Join(one.GetContexts(), ", ")
			if contexts == "" {
				contexts = "tous"
			}
			stream := jetstream.StreamName
			if one.GetCloudEvents() {
				stream = jetstream.MirrorName
			}
			rows = append(rows, []string{
				one.GetName(), frTime(one.GetRecordTime()), stream, contexts, fmt.Sprint(one.GetAcknowledgedPosition()), one.GetPublicKey(),
			})
		}
		if a.json {
			return nil
		}
		return a.printTable(rows, []cutting{whole, whole, whole, texts, whole, whole}, fmt.Sprintf("Position %d, %s.", r.GetPosition(), counted(len(rows)-1, "ligne(s)")))
	})
}
