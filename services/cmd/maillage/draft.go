package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/annex"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// Particulars is the flags of an act to be planned: what its text says outside its list.
type Particulars struct {
	File         string      `arg:"" optional:"" placeholder:"FICHIER" help:"Annexe (CSV ou XLSX), ou - pour l'entrée standard ; aucun pour un acte qui proroge ou abroge toute sa portée."`
	Kind         actKindFlag `default:"arrêté" help:"arrêté, circulaire, instruction, note, décret, appel à projets, lettre, décision, décision de justice."`
	Title        string      `placeholder:"INTITULÉ" help:"Intitulé officiel."`
	NOR          string      `name:"nor" placeholder:"NUMÉRO" help:"Numéro NOR."`
	Authority    string      `help:"Qui a décidé."`
	Announced    string      `placeholder:"DATE" help:"Jour de l'annonce."`
	Signed       string      `placeholder:"DATE" help:"Jour de la signature ; sans lui, l'acte se prépare mais ne s'approuve pas."`
	Published    []string    `sep:"none" placeholder:"BULLETIN|NUMÉRO|PAGES|DATE" help:"Publication. À répéter."`
	Effective    string      `placeholder:"DATE" help:"Jour d'effet ; par défaut la publication, sinon la signature."`
	Cycle        string      `help:"Cycle des labels : code, autre nom ou identifiant."`
	Start        string      `placeholder:"DATE" help:"Premier jour des labels accordés ou renouvelés."`
	End          string      `placeholder:"DATE" help:"Premier jour d'après ; vide si l'acte ne le dit pas."`
	Scope        []string    `sep:"none" placeholder:"FILIÈRE|RÔLE|LISTE|CYCLE" help:"Portée : ce que la liste couvre, complète, partielle ou exclue ; filière, rôle et cycle vides pour tous (« ||complète »). À répéter."`
	Total        []string    `sep:"none" placeholder:"NOMBRE|UNITÉ" help:"Total que l'acte annonce. À répéter."`
	Amends       id          `placeholder:"ID" help:"Acte modifié, pour un rectificatif ou une décision de justice."`
	ExtendUntil  day         `name:"extend-until" placeholder:"AAAA-MM-JJ" help:"Proroger toute la portée : premier jour où les labels ne sont plus tenus."`
	RepealFrom   day         `name:"repeal-from" placeholder:"AAAA-MM-JJ" help:"Abroger toute la portée à compter de ce jour."`
	Successions  bool        `help:"Lire le fichier comme un lot de successions de responsables, quoi que disent ses colonnes ; sans cela, elles le disent."`
	Collaborator []id        `name:"collaborator" placeholder:"LABEL" help:"Label que l'acte fait perdre et dont le centre reste collaborateur du réseau. À répéter ; ou « collaborateur » dans la colonne « décision » du fichier de --answers."`
	Answers      string      `placeholder:"FICHIER" help:"Fichier des identités à trancher et des labels perdus, écrit et relu ; par défaut à côté de l'annexe, .identites.csv."`
	Grounds
}

// answers is what an officer fills in: identities, and which of the centres that lose a
// label go on as collaborators.
type answers struct {
	identities []annex.Resolution
	losses     []annex.Loss
}

// answersFile is where questions of identity and losses are written and read.
func (p Particulars) answersFile() string {
	if p.Answers != "" || p.File == "" || p.File == "-" {
		return p.Answers
	}
	return p.File + ".identites.csv"
}

// annex builds the act from its flags and its file.
func (p Particulars) annex(ctx context.Context, a *app, conn grpc.ClientConnInterface) (*labellingv1.Annex, answers, error) {
	out := &labellingv1.Annex{
		Basis: p.basis(), Kind: labellingv1.ActKind(p.Kind), Title: p.Title, Nor: p.NOR, Authority: p.Authority,
		AnnouncedDate: p.Announced, SignedDate: p.Signed, EffectiveDate: p.Effective,
		LabelPeriod: period(p.Start, p.End), AmendsActId: string(p.Amends),
	}
	for _, text := range p.Published {
		parts := split(text, 4)
		if !strings.Contains(text, "|") { // a day alone would be taken for a bulletin, and the act would have effect when signed
			return nil, answers{}, usage("--published « " + text + " » : écrivez BULLETIN|NUMÉRO|PAGES|DATE, par exemple « BO Santé|2023/24||2023-12-29 » ; ce qui n'est pas connu reste vide")
		}
		out.Publications = append(out.Publications, &labellingv1.Publication{Bulletin: parts[0], Number: parts[1], Pages: parts[2], Date: parts[3]})
	}
	if err := p.decideScope(out); err != nil {
		return nil, answers{}, err
	}
	if err := p.readFile(a, out); err != nil {
		return nil, answers{}, err
	}
	for _, text := range p.Total {
		parts := split(text, 2)
		n, err := strconv.ParseUint(parts[0], 10, 32)
		if err != nil || parts[1] == "" {
			return nil, answers{}, usage("--total « " + text + " » : écrivez NOMBRE|UNITÉ, par exemple « 603|sites de référence »")
		}
		out.AnnouncedTotals = append(out.AnnouncedTotals, &labellingv1.AnnouncedTotal{Unit: parts[1], Count: uint32(n)})
	}
	var err error
	if out.CycleId, err = cycleID(ctx, conn, p.Cycle); err != nil {
		return nil, answers{}, err
	}
	if out.Scope, err = scope(ctx, conn, p.Scope); err != nil {
		return nil, answers{}, err
	}
	given, err := p.readAnswers()
	if err != nil {
		return nil, answers{}, err
	}
	given.into(out, p.Collaborator)
	return out, given, nil
}

// into answers what an act asks, with the labels whose centres go on as collaborators by
// a flag.
func (given *answers) into(out *labellingv1.Annex, collaborators []id) {
	for _, r := range given.identities {
		if r.Decision != labellingv1.Identity_IDENTITY_UNSPECIFIED {
			out.Resolutions = append(out.Resolutions, &labellingv1.Resolution{Line: r.Line, Subject: r.Subject, Identity: r.Decision, EntityId: r.ID})
		}
	}
	collaborators = slices.Clip(collaborators)
	for _, l := range given.losses {
		if l.Collaborates {
			collaborators = append(collaborators, id(l.LabelID))
		}
	}
	for _, label := range collaborators {
		if label != "" && !slices.Contains(out.GetCollaboratorLabelIds(), string(label)) {
			out.CollaboratorLabelIds = append(out.CollaboratorLabelIds, string(label))
		}
	}
}

func (p Particulars) decideScope(out *labellingv1.Annex) error {
	switch {
	case p.ExtendUntil != "" && p.RepealFrom != "":
		return usage("--extend-until et --repeal-from s'excluent")
	case p.ExtendUntil != "":
		out.ScopeDecision, out.ScopeDate = labellingv1.ScopeDecision_SCOPE_DECISION_EXTEND, string(p.ExtendUntil)
	case p.RepealFrom != "":
		out.ScopeDecision, out.ScopeDate = labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL, string(p.RepealFrom)
	case p.File == "":
		return usage("donnez le fichier de l'annexe, ou --extend-until ou --repeal-from pour un acte sans liste")
	}
	return nil
}

// readFile reads the list, or the batch of successions, and tells on stderr what of the
// file was not read or is odd.
func (p Particulars) readFile(a *app, out *labellingv1.Annex) error {
	if p.File == "" {
		return nil
	}
	data, err := a.readFile(p.File)
	if err != nil {
		return err
	}
	if p.Successions || annex.AreSuccessions(p.File, bytes.NewReader(data)) {
		if !p.Successions {
			fmt.Fprintln(a.stderr, "maillage : d'après ses colonnes, le fichier est lu comme un lot de successions de responsables")
		}
		list, told, err := annex.ReadSuccessions(p.File, bytes.NewReader(data))
		if err != nil {
			return err
		}
		a.tellAnnex(told)
		for _, s := range list {
			out.Successions = append(out.Successions, successionOf(s))
		}
		return nil
	}
	read, err := annex.Read(p.File, bytes.NewReader(data))
	if err != nil {
		return err
	}
	a.tellAnnex(slices.Concat(read.Problems, read.Ignored))
	out.FileSha256, out.AnnouncedTotals = read.SHA256, read.Totals
	for _, l := range read.Lines {
		line, err := lineFrom(l)
		if err != nil {
			return fileError{p.File, err.Error()}
		}
		out.Lines = append(out.Lines, line)
	}
	return nil
}

func (a *app) tellAnnex(told []*annex.Error) {
	for _, e := range told {
		fmt.Fprintln(a.stderr, "maillage :", harmless(annexText(e)))
	}
}

func lineFrom(l annex.Line) (*labellingv1.AnnexLine, error) {
	out := &labellingv1.AnnexLine{
		Number: l.Number, Sheet: l.Sheet, Row: uint32(l.Row), Filiere: l.Filiere, NetworkTitle: l.Network, NetworkAcronym: l.Acronym,
		Role: l.Role, RoleAsPrinted: l.RoleAsPrinted, Establishment: l.Establishment, Finess: l.Finess, City: l.City,
		DepartmentCode: l.Department, Population: l.Population, Heads: l.Heads, Period: l.Period, AsPrinted: l.AsPrinted,
	}
	if l.Effect != "" {
		d, err := parseWord(dispositionWords, []byte(l.Effect))
		if err != nil {
			return nil, fmt.Errorf("%s : effet %w", placeOf(l.Place), err)
		}
		out.Disposition = d
	}
	return out, nil
}

func placeOf(p annex.Place) string {
	return joined(", ", prefixed("feuille ", p.Sheet), "ligne "+strconv.Itoa(p.Row))
}

func successionOf(s annex.Succession) *labellingv1.Succession {
	out := &labellingv1.Succession{
		Sheet: s.Sheet, Row: uint32(s.Row), Network: cmp.Or(s.Acronym, s.Network), Establishment: s.Establishment, City: s.City,
		Outgoing: strings.Join(s.Outgoing, "; "), Incoming: strings.Join(s.Incoming, "; "), Date: s.Date,
	}
	if role, err := parseWord(roleWords, []byte(s.RoleAsPrinted)); err == nil {
		out.Role = role
	}
	if s.Opinion != annex.NoOpinion {
		out.OpinionBody, out.OpinionFavourable = "comité de suivi de la labellisation", s.Opinion == annex.Favourable
	}
	return out
}

// scope reads the cells of an act's scope.
func scope(ctx context.Context, conn grpc.ClientConnInterface, texts []string) ([]*labellingv1.ScopeCell, error) {
	var out []*labellingv1.ScopeCell
	for _, text := range texts {
		parts := split(text, 4)
		cell := &labellingv1.ScopeCell{}
		var err error
		if cell.FiliereId, err = filiereID(ctx, conn, parts[0]); err != nil {
			return nil, err
		}
		if parts[1] != "" {
			if cell.Role, err = parseWord(roleWords, []byte(parts[1])); err != nil {
				return nil, usage("--scope : rôle " + err.Error())
			}
		}
		if cell.Coverage, err = parseWord(coverageWords, []byte(parts[2])); err != nil {
			return nil, usage("--scope : liste " + err.Error())
		}
		if cell.CycleId, err = cycleID(ctx, conn, parts[3]); err != nil {
			return nil, err
		}
		out = append(out, cell)
	}
	return out, nil
}

// filiereID is the id of a filière that is named by its id or its acronym.
func filiereID(ctx context.Context, conn grpc.ClientConnInterface, name string) (string, error) {
	if canonical, err := identifier.ParseID(name); name == "" || err == nil {
		return canonical, nil
	}
	r, err := registryv1.NewRegistryServiceClient(conn).ListFilieres(ctx, &registryv1.ListFilieresRequest{PageSize: pageSize})
	if err != nil {
		return "", err
	}
	for _, f := range r.GetFilieres() {
		if identifier.Fold(f.GetAcronym()) == identifier.Fold(name) {
			return f.GetFiliereId(), nil
		}
	}
	return "", fault.New(fault.NotFound, "FILIERE_UNKNOWN", "filiere", "« %s »", name)
}

// readAnswers reads the file of answers, if there is one.
func (p Particulars) readAnswers() (answers, error) {
	name := p.answersFile()
	if name == "" {
		return answers{}, nil
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return answers{}, nil // it is written after the plan
	}
	if err != nil {
		return answers{}, fmt.Errorf("%s ne peut pas être lu : %s", name, whyNotRead(err))
	}
	defer f.Close()
	identities, losses, err := annex.ReadResolutions(name, f)
	return answers{identities, losses}, err
}

// writeAnswers writes the questions of a plan, and the labels that it takes from centres,
// beside the answers given before, and says on stderr what can be answered.
func (p Particulars) writeAnswers(a *app, given answers, act *labellingv1.Annex, plan *labellingv1.Plan) error {
	name := p.answersFile()
	questions, losses := plan.GetQuestions(), given.lossesOf(plan)
	open := slices.DeleteFunc(slices.Clone(losses), func(l annex.Loss) bool { return slices.Contains(act.GetCollaboratorLabelIds(), l.LabelID) })
	if len(questions) == 0 && len(open) == 0 {
		return nil
	}
	if name != "" {
		given.ask(questions)
		var b bytes.Buffer
		if err := annex.WriteResolutions(&b, given.identities, losses); err != nil {
			return err
		}
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			return fmt.Errorf("%s ne peut pas être écrit : %s", name, whyNotWritten(err))
		}
	}
	return errors.Join(a.tellQuestions(name, len(questions)), a.tellLosses(name, len(open)))
}

// ask puts questions beside the answers given before.
func (given *answers) ask(questions []*labellingv1.Question) {
	for _, q := range questions {
		r := annex.Resolution{Place: annex.Place{Sheet: q.GetSheet(), Row: int(q.GetRow())}, Line: q.GetLine(), Subject: q.GetSubject(), Printed: q.GetPrinted()}
		for _, c := range q.GetCandidates() {
			r.Candidates = append(r.Candidates, joined(" – ", joined(" ", c.GetEntityId(), contractText(c.GetLabel())), reasonsText(c.GetReasons())))
		}
		at := slices.IndexFunc(given.identities, func(o annex.Resolution) bool { return o.Line == r.Line && o.Subject == r.Subject })
		if at < 0 {
			given.identities = append(given.identities, r)
		} else {
			given.identities[at].Printed, given.identities[at].Candidates = r.Printed, r.Candidates // the answer stays, though it does not settle it
		}
	}
}

// lossesOf are the labels that a plan takes from centres, as answered before, and those
// answered that it does not take, which it refuses.
func (given *answers) lossesOf(plan *labellingv1.Plan) []annex.Loss {
	chosen := make(map[string]annex.Loss)
	for _, l := range given.losses {
		if l.Collaborates {
			chosen[l.LabelID] = l
		}
	}
	var all []annex.Loss
	for _, e := range plan.GetEffects() {
		switch e.GetDisposition() {
		case labellingv1.Disposition_DISPOSITION_LAPSED, labellingv1.Disposition_DISPOSITION_EXPIRED,
			labellingv1.Disposition_DISPOSITION_WITHDRAWN, labellingv1.Disposition_DISPOSITION_REPEALED:
			if e.GetSiteId() == "" {
				continue
			}
			_, collaborates := chosen[e.GetLabelId()]
			delete(chosen, e.GetLabelId())
			all = append(all, annex.Loss{
				LabelID: e.GetLabelId(), Collaborates: collaborates,
				Printed: joined(" / ", e.GetFiliere(), e.GetNetworkTitle(), inFrench(roleWords, e.GetRole()), e.GetEstablishment(), e.GetCity()),
			})
		}
	}
	for _, l := range given.losses {
		if _, left := chosen[l.LabelID]; left {
			all = append(all, l)
		}
	}
	return all
}

func (a *app) tellQuestions(file string, n int) error {
	var err error
	switch {
	case n == 0:
	case file == "":
		_, err = fmt.Fprintln(a.stderr, "maillage : donnez --answers FICHIER pour que les identités à trancher y soient écrites")
	default:
		_, err = fmt.Fprintf(a.stderr, "maillage : %s dans %s : remplissez la colonne « décision », puis relancez la commande\n", counted(n, "identité(s) à trancher, écrite(s)"), file)
	}
	return err
}

// tellLosses says, once for all labels that centres lose, that these may go on as
// collaborators.
func (a *app) tellLosses(file string, n int) error {
	var err error
	switch {
	case n == 0:
	case file == "":
		_, err = fmt.Fprintf(a.stderr, "maillage : %s par des centres : si l'un d'eux reste collaborateur du réseau, donnez --collaborator LABEL\n", counted(n, "label(s) perdu(s)"))
	default:
		_, err = fmt.Fprintf(a.stderr, "maillage : %s par des centres : si l'un d'eux reste collaborateur du réseau, écrivez « collaborateur » dans la colonne « décision » de sa ligne « perte » de %s, ou donnez --collaborator LABEL\n", counted(n, "label(s) perdu(s)"), file)
	}
	return err
}

// ActPlanCmd shows what an act would change.
type ActPlanCmd struct{ Particulars }

// Run shows it.
func (c *ActPlanCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		act, given, err := c.annex(ctx, a, conn)
		if err != nil {
			return err
		}
		r, err := labellingv1.NewLabellingServiceClient(conn).PlanAct(ctx, &labellingv1.PlanActRequest{Annex: act})
		if err != nil {
			return err
		}
		if err := a.printPlan(r.GetPlan()); err != nil {
			return err
		}
		if err := c.writeAnswers(a, given, act, r.GetPlan()); err != nil {
			return err
		}
		if refusals := r.GetPlan().GetRefusals(); len(refusals) > 0 {
			return fault.New(fault.Refused, refusals[0].GetReason(), "", "%s en tout, ci-dessus", refusalCount(len(refusals)))
		}
		return nil
	})
}

// ActPrepareCmd prepares an act for another person to approve.
type ActPrepareCmd struct{ Particulars }

// Run prepares it.
func (c *ActPrepareCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		act, _, err := c.annex(ctx, a, conn)
		if err != nil {
			return err
		}
		r, err := labellingv1.NewLabellingServiceClient(conn).PrepareAct(ctx, &labellingv1.PrepareActRequest{RequestId: a.request(c.RequestID), Annex: act})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		if err := a.printPlan(r.GetPlan()); err != nil {
			return err
		}
		return a.recorded(r, "Acte préparé : une autre personne l'approuve avec « act approve "+r.GetDraftId()+" ». Brouillon", r.GetDraftId())
	})
}

// ActApproveCmd approves a prepared act.
type ActApproveCmd struct {
	ID           id      `arg:"" help:"Brouillon."`
	AcceptLapses *uint32 `name:"accept-lapses" placeholder:"N" help:"Accepter que N labels soient perdus, par absence de la liste ou expirés et non repris ; demandé s'il y en a."`
	Effects      string  `placeholder:"EMPREINTE" help:"Empreinte des effets approuvés ; demandée si le registre a bougé depuis la préparation."`
	RequestID    string  `name:"request-id" placeholder:"CLÉ" help:"Clé d'idempotence."`
}

// Run approves it. Where the register moved so that an effect is another than the one
// prepared, it shows the difference and asks to be run again.
func (c *ActApproveCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		labelling := labellingv1.NewLabellingServiceClient(conn)
		seen, err := labelling.GetDraft(ctx, &labellingv1.GetDraftRequest{DraftId: string(c.ID)})
		if err != nil {
			return err
		}
		if d := seen.GetDraft(); d.GetState() != labellingv1.DraftState_DRAFT_STATE_PREPARED && c.RequestID == "" { // else it may be the same request again
			return fault.New(fault.Refused, "DRAFT_CLOSED", "", "%s", joined(", acte ", inFrench(draftWords, d.GetState()), d.GetActId()))
		}
		request := &labellingv1.ApproveActRequest{RequestId: a.request(c.RequestID), DraftId: string(c.ID), EffectsSha256: seen.GetDraft().GetEffectsSha256()}
		if c.Effects != "" {
			if request.EffectsSha256, err = hex.DecodeString(c.Effects); err != nil {
				return usage("--effects : une empreinte est en hexadécimal, 64 caractères")
			}
		}
		if c.AcceptLapses != nil {
			request.AcceptedLapses = *c.AcceptLapses
		}
		r, err := labelling.ApproveAct(ctx, request)
		if err != nil {
			return c.refused(ctx, a, labelling, err)
		}
		return a.recorded(r, "Acte approuvé et appliqué", r.GetActId())
	})
}

// refused says what to approve with instead, where that is what was missing.
func (c *ActApproveCmd) refused(ctx context.Context, a *app, labelling labellingv1.LabellingServiceClient, err error) error {
	why, is := fault.FromStatus(err)
	if !is || why.Reason != "PLAN_CHANGED" && (why.Reason != "LAPSES_NOT_ACCEPTED" || c.AcceptLapses != nil) {
		return err
	}
	now, failed := labelling.GetDraft(ctx, &labellingv1.GetDraftRequest{DraftId: string(c.ID)})
	if failed != nil || now.GetPlan() == nil {
		return err
	}
	if why.Reason == "LAPSES_NOT_ACCEPTED" {
		return fault.New(fault.Refused, why.Reason, "", "--accept-lapses %d", lost(now.GetPlan()))
	}
	if failed := a.printDifference(now); failed != nil {
		return failed
	}
	return fault.New(fault.Refused, why.Reason, "", "--effects %x", now.GetPlan().GetEffectsSha256())
}

// lost is how many labels a plan loses by absence.
func lost(p *labellingv1.Plan) uint32 {
	n := uint32(0)
	for _, e := range p.GetEffects() {
		if d := e.GetDisposition(); d == labellingv1.Disposition_DISPOSITION_LAPSED || d == labellingv1.Disposition_DISPOSITION_EXPIRED {
			n++
		}
	}
	return n
}

// ActRejectCmd rejects a prepared act.
type ActRejectCmd struct {
	ID        id     `arg:"" help:"Brouillon."`
	Reason    string `required:"" placeholder:"MOTIF" help:"Pourquoi, sans nom de personne."`
	RequestID string `name:"request-id" placeholder:"CLÉ" help:"Clé d'idempotence."`
}

// Run rejects it.
func (c *ActRejectCmd) Run(a *app) error {
	return fate(a, labellingv1.LabellingServiceClient.RejectAct,
		&labellingv1.RejectActRequest{RequestId: a.request(c.RequestID), DraftId: string(c.ID), Reason: c.Reason}, "Brouillon rejeté", c.ID)
}

// ActDraftsCmd lists prepared acts, or shows one.
type ActDraftsCmd struct {
	ID    id          `arg:"" optional:"" help:"Brouillon à montrer, avec ce qu'il changerait aujourd'hui."`
	State []draftFlag `help:"préparé (par défaut), approuvé, rejeté."`
}

// Run prints them.
func (c *ActDraftsCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		labelling := labellingv1.NewLabellingServiceClient(conn)
		if c.ID != "" {
			r, err := labelling.GetDraft(ctx, &labellingv1.GetDraftRequest{DraftId: string(c.ID)})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			if err := a.show(r.GetDraft(), nil); err != nil || r.GetPlan() == nil {
				return err
			}
			if err := a.printPlan(r.GetPlan()); err != nil {
				return err
			}
			return a.printDifference(r)
		}
		request := &labellingv1.ListDraftsRequest{}
		for _, s := range c.State {
			request.States = append(request.States, labellingv1.DraftState(s))
		}
		r, err := labelling.ListDrafts(ctx, request)
		if err != nil {
			return err
		}
		if a.json {
			return printEach(a, page[*labellingv1.DraftEntry]{items: r.GetDrafts()})
		}
		rows, cut := table[*labellingv1.DraftEntry]{columns: draftColumns}.rows(r.GetDrafts())
		return a.printTable(rows, cut, counted(len(r.GetDrafts()), "ligne(s)")+".")
	})
}

var draftColumns = []column[*labellingv1.DraftEntry]{
	{"Brouillon", whole, func(e *labellingv1.DraftEntry) string { return e.GetDraft().GetDraftId() }},
	{"État", whole, func(e *labellingv1.DraftEntry) string { return inFrench(draftWords, e.GetDraft().GetState()) }},
	{"Intitulé", texts, (*labellingv1.DraftEntry).GetTitle},
	{"Lignes", whole, func(e *labellingv1.DraftEntry) string { return fmt.Sprint(e.GetLineCount()) }},
	{"Préparé par", whole, func(e *labellingv1.DraftEntry) string { return e.GetDraft().GetPreparer().GetAccount() }},
	{"À la position", whole, func(e *labellingv1.DraftEntry) string { return fmt.Sprint(e.GetDraft().GetPlannedAt()) }},
	{"Acte", whole, func(e *labellingv1.DraftEntry) string { return e.GetDraft().GetActId() }},
	{"Motif du rejet", texts, func(e *labellingv1.DraftEntry) string { return e.GetDraft().GetReason() }},
}

func refusalCount(n int) string {
	if n == 1 {
		return "un refus"
	}
	return fmt.Sprintf("%d refus", n)
}

// section prints what is counted under a title after an empty line, or nothing for none.
func section[T any](a *app, title string, items []T, columns []column[T]) error {
	if len(items) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(a.stdout); err != nil {
		return err
	}
	return chapter(a, title, items, columns)
}

// printDifference prints how a plan differs from when it was prepared.
func (a *app) printDifference(r *labellingv1.GetDraftResponse) error {
	if a.json {
		return a.printJSON(r)
	}
	if len(r.GetAdded())+len(r.GetRemoved())+len(r.GetTopologyAdded())+len(r.GetTopologyRemoved()) == 0 {
		if bytes.Equal(r.GetPlan().GetEffectsSha256(), r.GetDraft().GetEffectsSha256()) {
			return nil
		}
		_, err := io.WriteString(a.stdout, "\nLes effets ne sont plus tout à fait ceux qui ont été préparés, et la différence ne peut plus être montrée : le nom d'une personne a été effacé depuis, ou le registre a changé de version. Relisez-les avec « act drafts ».\n")
		return err
	}
	if _, err := io.WriteString(a.stdout, "\nLe registre a bougé depuis la préparation.\n"); err != nil {
		return err
	}
	return errors.Join(
		section(a, "Effets en plus", r.GetAdded(), effectColumns),
		section(a, "Effets en moins", r.GetRemoved(), effectColumns),
		section(a, "Effets sur la topologie en plus", r.GetTopologyAdded(), topologyColumns),
		section(a, "Effets sur la topologie en moins", r.GetTopologyRemoved(), topologyColumns),
	)
}

// printPlan prints what an act would change.
func (a *app) printPlan(p *labellingv1.Plan) error {
	if a.json {
		return a.printJSON(p)
	}
	err := errors.Join(
		section(a, "Effets sur les labels", p.GetEffects(), effectColumns),
		section(a, "Effets sur la topologie", p.GetTopology(), topologyColumns),
		section(a, "Identités à trancher", p.GetQuestions(), questionColumns),
		section(a, "Avertissements", p.GetWarnings(), remarkColumns),
		section(a, "Refus", p.GetRefusals(), remarkColumns),
		section(a, "Totaux annoncés", p.GetTotals(), totalColumns),
		section(a, "Décompte, en labels", p.GetCounts(), countsColumns),
	)
	if err != nil {
		return err
	}
	ofLines := uint32(0)
	for _, n := range p.GetCounts() {
		if n.GetOfLines() {
			ofLines += n.GetLabels()
		}
	}
	_, err = fmt.Fprintf(a.stdout, "Lignes de l'acte, toutes issues confondues : %d. Labels perdus, par absence ou non repris : %d. Effet au %s. Calculé à la position %d.\nEmpreinte des effets : %x\n",
		ofLines, lost(p), cmp.Or(frDate(p.GetEffectiveDate()), "jour inconnu"), p.GetPosition(), p.GetEffectsSha256())
	return err
}

var (
	effectColumns = []column[*labellingv1.Effect]{
		{"Ligne", whole, func(e *labellingv1.Effect) string {
			return effectLine(e.GetDisposition(), printedLine(e.GetLine(), e.GetSheet(), e.GetRow()))
		}},
		{"Effet", whole, func(e *labellingv1.Effect) string { return plannedText(e.GetDisposition()) }},
		{"Rôle", texts, func(e *labellingv1.Effect) string { return inFrench(roleWords, e.GetRole()) }},
		{"Filière", texts, (*labellingv1.Effect).GetFiliere},
		{"Réseau", texts, (*labellingv1.Effect).GetNetworkTitle},
		{"Établissement", texts, (*labellingv1.Effect).GetEstablishment},
		{"Ville", texts, (*labellingv1.Effect).GetCity},
		{"Centre", texts, func(e *labellingv1.Effect) string { return inFrench(identityWords, e.GetCentreIdentity()) }},
		{"Ce qui change", texts, func(e *labellingv1.Effect) string { return changesText(e.GetChanges()) }},
		{"Label", whole, (*labellingv1.Effect).GetLabelId},
	}
	topologyColumns = []column[*labellingv1.TopologyEffect]{
		{"Effet", whole, func(e *labellingv1.TopologyEffect) string {
			if e.GetEntityKind() == "centre" && e.GetKind() == labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_ATTACHED {
				return "est rattaché à l'établissement"
			}
			return inFrench(topologyWords, e.GetKind())
		}},
		{"Objet", whole, func(e *labellingv1.TopologyEffect) string {
			return cmp.Or(entityWords[e.GetEntityKind()], e.GetEntityKind())
		}},
		{"Nom", texts, func(e *labellingv1.TopologyEffect) string { return linkText(e.GetKind(), e.GetName()) }},
		{"Avant", texts, func(e *labellingv1.TopologyEffect) string {
			if e.GetKind() == labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_COLLABORATES {
				return "label " + strings.Join(e.GetBefore(), ", ")
			}
			return linkText(e.GetKind(), strings.Join(e.GetBefore(), ", "))
		}},
		{"Première ligne", whole, func(e *labellingv1.TopologyEffect) string {
			if e.GetLine() == 0 {
				return ""
			}
			return fmt.Sprint(e.GetLine())
		}},
	}
	questionColumns = []column[*labellingv1.Question]{
		{"Ligne", whole, func(q *labellingv1.Question) string { return printedLine(q.GetLine(), q.GetSheet(), q.GetRow()) }},
		{"Sujet", whole, func(q *labellingv1.Question) string { return inFrench(subjectWords, q.GetSubject()) }},
		{"Imprimé", texts, (*labellingv1.Question).GetPrinted},
		{"Candidats", texts, func(q *labellingv1.Question) string {
			var out []string
			for _, c := range q.GetCandidates() {
				out = append(out, c.GetEntityId()+" "+contractText(c.GetLabel()))
			}
			return strings.Join(out, " ; ")
		}},
	}
	remarkColumns = []column[*labellingv1.Remark]{
		{"Ligne", whole, func(r *labellingv1.Remark) string {
			if r.GetLine() == 0 {
				return "acte"
			}
			return printedLine(r.GetLine(), r.GetSheet(), r.GetRow())
		}},
		{"Motif", whole, remarkText},
	}
	totalColumns = []column[*labellingv1.TotalCheck]{
		{"Unité, telle qu'imprimée", texts, (*labellingv1.TotalCheck).GetUnit},
		{"Annoncé", whole, func(t *labellingv1.TotalCheck) string { return fmt.Sprint(t.GetAnnounced()) }},
		{"Compté", whole, func(t *labellingv1.TotalCheck) string {
			if t.Counted == nil {
				return "unité non comprise"
			}
			return fmt.Sprint(t.GetCounted())
		}},
	}
	countsColumns = []column[*labellingv1.EffectCount]{
		{"Effet", whole, func(n *labellingv1.EffectCount) string { return plannedText(n.GetDisposition()) }},
		{"Rôle", texts, func(n *labellingv1.EffectCount) string { return inFrench(roleWords, n.GetRole()) }},
		{"Labels", whole, func(n *labellingv1.EffectCount) string { return fmt.Sprint(n.GetLabels()) }},
		{"De", whole, func(n *labellingv1.EffectCount) string {
			if n.GetOfLines() {
				return "lignes de l'acte"
			}
			if effectLine(n.GetDisposition(), noLine) != noLine {
				return "labels de la portée de l'acte"
			}
			return "labels absents de l'acte"
		}},
	}
)

// linkText is what a plan calls a link; the name of anything else stays as it is.
func linkText(kind labellingv1.TopologyEffectKind, name string) string {
	switch kind {
	case labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_LINK_MOVED, labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_LINK_ENDED:
		return contractText(name)
	}
	return name
}

const noLine = "absent"

// effectLine says which line has an effect: an act that extends or repeals its whole
// scope has none, and leaves nothing out.
func effectLine(d labellingv1.Disposition, line string) string {
	if line == noLine && (d == labellingv1.Disposition_DISPOSITION_EXTENDED || d == labellingv1.Disposition_DISPOSITION_REPEALED) {
		return "portée"
	}
	return line
}

var remarkField = regexp.MustCompile(`^([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+)*): `)

// remarkText is a remark in French, with the field and the values that the register's own
// sentence names.
func remarkText(r *labellingv1.Remark) string {
	text := reasons[r.GetReason()]
	if text == "" {
		return joined(" — ", r.GetMessage(), r.GetReason()) // that of a newer register
	}
	field := remarkField.FindStringSubmatch(r.GetMessage())
	said := remarkField.ReplaceAllString(r.GetMessage(), "")
	text = joined(" : ", text, toldInFrench(strings.TrimSuffix(said, ".")))
	if field != nil {
		text += " — champ " + fieldText(field[1])
	}
	return text
}

// reasonsText is why something may be what a line names.
func reasonsText(all []string) string {
	out := make([]string, len(all))
	for i, reason := range all {
		out[i] = cmp.Or(candidateWords[reason], changeWords[reason], reason)
	}
	return strings.Join(out, ", ")
}

// plannedText is what a plan does to a label, which nothing says before the identities
// that its line asks about are answered.
func plannedText(d labellingv1.Disposition) string {
	return cmp.Or(inFrench(dispositionWords, d), "à trancher")
}

// printedLine says where a line is.
func printedLine(line uint32, sheet string, row uint32) string {
	if line == 0 {
		return noLine
	}
	out := fmt.Sprint(line)
	if row > 0 {
		out += " (" + joined(", ", sheet, fmt.Sprintf("rangée %d", row)) + ")"
	}
	return out
}

// ActEffectsCmd shows what an act did.
type ActEffectsCmd struct{ Lookup }

// Run shows it.
func (c *ActEffectsCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewRegistryServiceClient(conn).ListActEffects(ctx, &registryv1.ListActEffectsRequest{ActId: string(c.ID), AsOf: c.asOf()})
		if err != nil {
			return err
		}
		if a.json {
			return printEach(a, page[*registryv1.ActEffect]{items: r.GetEffects(), resolved: r.GetResolved()})
		}
		err = errors.Join(
			section(a, "Effets sur les labels", r.GetEffects(), actEffectColumns),
			section(a, "Effets sur la topologie", r.GetTopology(), historyColumns),
			section(a, "Lignes indéterminées", r.GetUndetermined(), undeterminedColumns),
			section(a, "Labels hors filière, à décider", r.GetToDecide(), labelColumns),
			section(a, "Totaux annoncés", r.GetTotals(), totalColumns),
			section(a, "Décompte, en labels", r.GetCounts(), countsColumns),
		)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.stdout, "%s.\n", moment(r.GetResolved()))
		return err
	})
}

var undeterminedColumns = []column[*labellingv1.Assertion]{
	{"Ligne", whole, numberOf},
	{"Telle qu'imprimée", texts, (*labellingv1.Assertion).GetValue},
	{"Réglé", texts, func(l *labellingv1.Assertion) string {
		return joined(" ", inFrench(settlementWords, l.GetSettlement()), l.GetSettledLabelId())
	}},
	{"Position", whole, func(l *labellingv1.Assertion) string { return fmt.Sprint(l.GetPosition()) }},
}

var actEffectColumns = append([]column[*registryv1.ActEffect]{
	{"Ligne", whole, func(e *registryv1.ActEffect) string {
		if e.GetLine() == 0 && !absent(e.GetDisposition()) {
			return "?"
		}
		return printedLine(e.GetLine(), "", 0)
	}},
	{"Effet", whole, func(e *registryv1.ActEffect) string { return inFrench(dispositionWords, e.GetDisposition()) }},
	{"Ce qui change", texts, func(e *registryv1.ActEffect) string { return changesText(e.GetChanges()) }},
}, over(labelColumns, (*registryv1.ActEffect).GetEntry)...)

// numberOf is the number of the line of its act that an assertion keeps, where it has one.
func numberOf(l *labellingv1.Assertion) string {
	if l.GetBasis().GetActLine() == 0 {
		return "?"
	}
	return fmt.Sprint(l.GetBasis().GetActLine())
}

// ActAnnexCmd writes the list of an act.
type ActAnnexCmd struct {
	Lookup
	CSV  string `name:"csv" placeholder:"FICHIER" help:"Écrire la liste en CSV, - pour la sortie standard (par défaut)."`
	XLSX string `name:"xlsx" placeholder:"FICHIER" help:"Écrire la liste en classeur XLSX."`
	Memo string `placeholder:"FICHIER" help:"Écrire la note de ce qui change, - pour la sortie standard."`
}

// Run writes it.
func (c *ActAnnexCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewRegistryServiceClient(conn).ListActEffects(ctx, &registryv1.ListActEffectsRequest{ActId: string(c.ID), AsOf: c.asOf()})
		if err != nil {
			return err
		}
		if c.CSV == "" && c.XLSX == "" && c.Memo == "" {
			c.CSV = "-"
		}
		document := documentOf(r)
		for _, out := range []struct {
			file  string
			write func(io.Writer) error
		}{
			{c.CSV, func(w io.Writer) error { return annex.WriteCSV(w, document) }},
			{c.XLSX, func(w io.Writer) error { return annex.WriteXLSX(w, document) }},
			{c.Memo, func(w io.Writer) error { return writeMemo(w, r) }},
		} {
			if err := a.writeFile(out.file, out.write); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeFile writes a file whole, or to stdout for "-", or nothing for "".
func (a *app) writeFile(name string, write func(io.Writer) error) error {
	switch name {
	case "":
		return nil
	case "-":
		return write(a.stdout)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("%s ne peut pas être écrit : %s", name, whyNotWritten(err))
	}
	_, err := fmt.Fprintf(a.stderr, "maillage : %s écrit\n", name)
	return err
}

// documentOf is the list of an act as its annex lays it out.
func documentOf(r *registryv1.ListActEffectsResponse) annex.Document {
	act := r.GetAct()
	out := annex.Document{Title: act.GetTitle(), Subtitle: joined(", ",
		prefixed("NOR ", act.GetNor()), prefixed("signé le ", frDate(act.GetSignedDate())), prefixed("effet au ", frDate(act.GetEffectiveDate())))}
	at := map[string]int{}
	for _, e := range r.GetEffects() {
		if e.GetLine() == 0 && absent(e.GetDisposition()) {
			continue
		}
		entry := e.GetEntry()
		i, known := at[entry.GetFiliereAcronym()]
		if !known {
			i = len(out.Groups)
			at[entry.GetFiliereAcronym()] = i
			out.Groups = append(out.Groups, annex.Group{Filiere: entry.GetFiliereAcronym()})
		}
		line := annex.Line{
			Number: e.GetLine(), Filiere: entry.GetFiliereAcronym(), Network: cmp.Or(entry.GetNetworkTitle(), entry.GetHolderName()), Acronym: entry.GetNetworkAcronym(),
			Role: entry.GetLabel().GetRole(), RoleAsPrinted: entry.GetLabel().GetRoleAsPrinted(),
			Establishment: strings.Join(entry.GetEstablishmentNames(), ", "), City: entry.GetCity(),
		}
		if name := entry.GetHeadName(); name != "" && name != erasedPerson && name != withheldName {
			line.Heads = []string{name}
		}
		out.Groups[i].Lines = append(out.Groups[i].Lines, line)
	}
	return out
}

// absent says that an effect is that of a label its act leaves out.
func absent(d labellingv1.Disposition) bool {
	return d == labellingv1.Disposition_DISPOSITION_LAPSED || d == labellingv1.Disposition_DISPOSITION_EXPIRED
}
