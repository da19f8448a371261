package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/identifier"
)

// ActCmd is the verbs about acts.
type ActCmd struct {
	Client
	Plan     ActPlanCmd     `cmd:"" help:"Lire l'annexe d'un acte et montrer tout ce qu'elle changerait ; n'enregistre rien."`
	Prepare  ActPrepareCmd  `cmd:"" help:"Préparer un acte, pour qu'une autre personne l'approuve."`
	Approve  ActApproveCmd  `cmd:"" help:"Approuver un acte préparé par une autre personne : il s'applique en entier ou pas du tout."`
	Reject   ActRejectCmd   `cmd:"" help:"Rejeter un acte préparé."`
	Drafts   ActDraftsCmd   `cmd:"" help:"Les actes préparés, ou l'un d'eux et ce qu'il changerait."`
	Effects  ActEffectsCmd  `cmd:"" help:"Ce qu'un acte a fait, ligne à ligne, et ce qu'il a laissé de côté."`
	Annex    ActAnnexCmd    `cmd:"" help:"Écrire la liste d'un acte dans la forme de l'arrêté, et la note de ce qui change."`
	Record   ActRecordCmd   `cmd:"" help:"Enregistrer un acte et ce que fait chacune de ses lignes, en entier ou pas du tout."`
	Settle   ActSettleCmd   `cmd:"" help:"Régler une ligne restée indéterminée, ou tout autre dire d'une source : « todo » ne le rappelle plus."`
	Template ActTemplateCmd `cmd:"" help:"Montrer un modèle de fichier pour « act record »."`
	List     ActListCmd     `cmd:"" help:"Lister."`
	Get      ActGetCmd      `cmd:"" help:"Montrer un acte et ses sources."`
	History  HistoryCmd     `cmd:"" help:"Tous les faits enregistrés."`
}

var actColumns = []column[*labellingv1.Act]{
	{"Acte", whole, (*labellingv1.Act).GetActId},
	{"Nature", texts, func(x *labellingv1.Act) string { return inFrench(actKindWords, x.GetKind()) }},
	{"Signé le", whole, func(x *labellingv1.Act) string { return frDate(x.GetSignedDate()) }},
	{"Publié le", whole, func(x *labellingv1.Act) string {
		var days []string
		for _, p := range x.GetPublications() {
			days = append(days, frDate(p.GetDate()))
		}
		return strings.Join(days, ", ")
	}},
	{"NOR", whole, (*labellingv1.Act).GetNor},
	{"Intitulé", texts, (*labellingv1.Act).GetTitle},
	{"Lignes", whole, func(x *labellingv1.Act) string { return fmt.Sprint(x.GetLineCount()) }},
	evidence[*labellingv1.Act](),
}

// ActListCmd lists acts.
type ActListCmd struct{ Search }

// Run prints the list.
func (c *ActListCmd) Run(a *app) error {
	return listOf(a, table[*labellingv1.Act]{order: byDate, columns: actColumns}, registryv1.RegistryServiceClient.ListActs, func(token string) *registryv1.ListActsRequest {
		return &registryv1.ListActsRequest{AsOf: c.asOf(), Text: c.Text, PageSize: pageSize, PageToken: token}
	}, (*registryv1.ListActsResponse).GetActs)
}

// byDate orders acts by the day they were signed, else published, else have effect;
// those of no known day come last.
func byDate(a, b *labellingv1.Act) int {
	return cmp.Or(cmp.Compare(actDate(a), actDate(b)), cmp.Compare(a.GetTitle(), b.GetTitle()))
}

func actDate(x *labellingv1.Act) string {
	published := ""
	for _, p := range x.GetPublications() {
		if published == "" || p.GetDate() != "" && p.GetDate() < published {
			published = p.GetDate()
		}
	}
	return cmp.Or(x.GetSignedDate(), published, x.GetEffectiveDate(), "~") // after every digit
}

// ActGetCmd shows one.
type ActGetCmd struct{ Lookup }

// Run shows it.
func (c *ActGetCmd) Run(a *app) error {
	return getOf(a, registryv1.RegistryServiceClient.GetAct,
		&registryv1.GetActRequest{ActId: string(c.ID), AsOf: c.asOf()}, (*registryv1.GetActResponse).GetAct)
}

// ActTemplateCmd prints a model of a file.
type ActTemplateCmd struct{}

//go:embed act_template.json
var actTemplate string

// Run prints it.
func (c *ActTemplateCmd) Run(a *app) error {
	_, err := io.WriteString(a.stdout, actTemplate)
	return err
}

// ActRecordCmd records an act from a file: a RecordActRequest in JSON.
type ActRecordCmd struct {
	File      string `arg:"" placeholder:"FICHIER" help:"Fichier JSON (voir « act template »), ou - pour l'entrée standard."`
	RequestID string `name:"request-id" placeholder:"CLÉ" help:"Clé d'idempotence ; par défaut celle du fichier, ou son empreinte : enregistrer deux fois le même fichier n'ajoute rien."`
}

// Run records it.
func (c *ActRecordCmd) Run(a *app) error {
	data, err := a.readFile(c.File)
	if err != nil {
		return err
	}
	if !utf8.Valid(data) {
		return fileError{c.File, "ce n'est pas de l'UTF-8 : enregistrez-le en UTF-8"}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	request := &labellingv1.RecordActRequest{}
	if err := protojson.Unmarshal(data, request); err != nil {
		return fileError{c.File, jsonFault(err)}
	}
	if where, value := mistyped(request.ProtoReflect(), ""); where != "" {
		return fileError{c.File, fmt.Sprintf("%s%s : « %s » %s", where, lineOf(where), value, idMistyped)}
	}
	if where := namedIn(request); where != "" {
		return fileError{c.File, where + lineOf(where) + " nomme un responsable : " + noPerson + " ; ôtez-le, headName seul le garde, au coffre"}
	}
	a.fieldsAsJSON = true
	switch {
	case c.RequestID != "":
		request.RequestId = c.RequestID
	case request.GetRequestId() == "":
		sum := sha256.Sum256(data)
		request.RequestId = "act-" + hex.EncodeToString(sum[:])[:40]
	}
	a.requestID = request.GetRequestId()
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := labellingv1.NewLabellingServiceClient(conn).RecordAct(ctx, request)
		if err != nil {
			return err
		}
		return a.recorded(r, fmt.Sprintf("Acte (%s)", counted(len(r.GetLabelIds()), "ligne(s)")), r.GetActId())
	})
}

// ActSettleCmd settles what a source says beside the record.
type ActSettleCmd struct {
	Position uint64         `arg:"" placeholder:"POSITION" help:"Position de la ligne ou du dire : voir « todo », ou l'historique de l'acte."`
	Outcome  settlementFlag `required:"" placeholder:"ISSUE" help:"même label, nouveau label, laissé de côté ou source réfutée."`
	Label    id             `placeholder:"ID" help:"Label retenu, pour « même label » et « nouveau label »."`
	Grounds
}

// Run settles it.
func (c *ActSettleCmd) Run(a *app) error {
	return command(a, labellingv1.NewLabellingServiceClient, labellingv1.LabellingServiceClient.SettleAssertion, &labellingv1.SettleAssertionRequest{
		RequestId: a.request(c.RequestID), Basis: c.basis(), Position: c.Position, Outcome: labellingv1.Settlement(c.Outcome), LabelId: string(c.Label),
	}, "Réglé", func(*labellingv1.SettleAssertionResponse) string { return fmt.Sprint(c.Position) })
}

func whyNotRead(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "il n'existe pas"
	case errors.Is(err, fs.ErrPermission):
		return "vous n'en avez pas le droit"
	case errors.Is(err, syscall.EISDIR):
		return "c'est un répertoire"
	default:
		return err.Error()
	}
}

func whyNotWritten(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "son répertoire n'existe pas"
	}
	return whyNotRead(err)
}

// maxFile is the greatest file read: JSON is some three times the size of the message.
const maxFile = 64 << 20

// readFile reads a file, or stdin for "-".
func (a *app) readFile(name string) ([]byte, error) {
	in := a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%s ne peut pas être lu : %s", name, whyNotRead(err))
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s ne peut pas être lu : %s", name, whyNotRead(err))
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fileError{name, "il est vide"}
	}
	if len(data) > maxFile {
		return nil, fileError{name, fmt.Sprintf("plus de %d Mio : partagez l'acte en plusieurs fichiers", maxFile>>20)}
	}
	return data, nil
}

// mistyped finds the first id whose check character fails.
func mistyped(m protoreflect.Message, prefix string) (where, value string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		path := prefix + fd.JSONName()
		switch {
		case !m.Has(fd):
		case fd.Kind() == protoreflect.MessageKind && fd.IsList():
			for j := range m.Get(fd).List().Len() {
				if where, value = mistyped(m.Get(fd).List().Get(j).Message(), fmt.Sprintf("%s[%d].", path, j)); where != "" {
					return where, value
				}
			}
		case fd.Kind() == protoreflect.MessageKind:
			if where, value = mistyped(m.Get(fd).Message(), path+"."); where != "" {
				return where, value
			}
		case strings.HasSuffix(string(fd.Name()), "_id") && fd.Name() != "request_id":
			value = m.Get(fd).String()
			if bad, is := errors.AsType[*identifier.Error](checkID(value)); is && bad.Kind == identifier.BadCheck {
				return path, value
			}
		}
	}
	return "", ""
}

func checkID(s string) error {
	_, err := identifier.ParseID(s)
	return err
}

var jsonAt = regexp.MustCompile(`\(line (\d+):(\d+)\):?\s*(.*)`)

// jsonFault says where a file is not the JSON it should be.
func jsonFault(err error) string {
	if m := jsonAt.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Sprintf("ligne %s, colonne %s : %s", m[1], m[2], jsonWhy(m[3]))
	}
	return "ce n'est pas le JSON attendu : " + err.Error()
}

// jsonWhys are the commonest faults of a file, in the decoder's words and in French.
var jsonWhys = []struct {
	said   *regexp.Regexp
	french string
}{
	{regexp.MustCompile(`unknown field "?([^"]*)"?`), "le champ « $1 » n'existe pas (voir « maillage act template »)"},
	{regexp.MustCompile(`duplicate field "?([^"]*)"?`), "le champ « $1 » est donné deux fois"},
	{regexp.MustCompile(`oneof ([^ ]*) is already set|error parsing .*, oneof ([^ ]*)`), "un seul de ces champs peut être donné ($1$2)"},
	{regexp.MustCompile(`invalid value for \w+ field (\w+): (.*)`), "la valeur $2 ne convient pas au champ « $1 » (voir « maillage act template »)"},
	{regexp.MustCompile(`unexpected token (.*)`), "« $1 » n'a pas sa place ici : vérifiez les virgules, guillemets et accolades"},
}

func jsonWhy(said string) string {
	for _, w := range jsonWhys {
		if m := w.said.FindStringSubmatchIndex(said); m != nil {
			return string(w.said.ExpandString(nil, w.french, said, m))
		}
	}
	return said
}
