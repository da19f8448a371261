package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"maillage/proto/follow"
	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/ledger"
)

// nobody is an address where nothing listens.
const nobody = "127.0.0.1:1"

func drive(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

func TestExitCodes(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "f.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	seeds := t.TempDir()
	if err := os.WriteFile(filepath.Join(seeds, "fsmr.csv"), []byte("acronym,nom\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		given string
		args  []string
		code  int
		say   string // on stderr, or on stdout for code 0
	}{
		{"help", []string{"--help"}, 0, "label"},
		{"help asked by its name", []string{"help"}, 0, "label"},
		{"help of flags of which one is enough", []string{"activity", "report", "submit", "--help"}, 0, "--period=PÉRIODE (--platform=ID | --site=ID) --values"},
		{"help of a verb asked by its name", []string{"help", "label", "list"}, 0, "--role"},
		{"help of a verb", []string{"label", "list", "--help"}, 0, "--role"},
		{"help in French", []string{"label", "grant", "--help"}, 0, "Usage : maillage label grant [options]\n\nAccorder un label.\n\nOptions :\n  -h, --help                     Montrer cette aide."},
		{"help of a flag without a name for its value", []string{"label", "grant", "--help"}, 0, "--act-line=N "},
		{"help of an argument", []string{"label", "extend", "--help"}, 0, "<ID>"},
		{"the first of the helps", []string{"--help"}, 0, "« maillage <commande> --help » en dit plus."},
		{"a verb cut short", []string{"label"}, exitUsage, "dites lequel : list, get,"},
		{"an unknown verb below another", []string{"label", "lst"}, exitUsage, "« lst » est de trop, ou mal écrit ; peut-être : list, get"},
		{"a flag misspelt", []string{"label", "list", "--rol", "x"}, exitUsage, "l'option --rol n'existe pas ; peut-être : --role\n"},
		{"a flag forgotten", []string{"label", "extend", "0000000000"}, exitUsage, "il manque --end=AAAA-MM-JJ\n"},
		{"an argument forgotten", []string{"act", "effects"}, exitUsage, "il manque <ID>\n"},
		{"two arguments forgotten", []string{"campaign", "outcome", "--kind", "favorable"}, exitUsage, "il manque <ID> <CANDIDAT>\n"},
		{"one of several flags forgotten", []string{"restore"}, exitUsage, "il manque --stream ou --ledger ou --new-epoch ou --new-vault\n"},
		{"an argument too many", []string{"label", "list", "x"}, exitUsage, "« x » est de trop"},
		{"a flag without its value", []string{"label", "list", "--valid-at"}, exitUsage, "--valid-at : il manque sa valeur\n"},
		{"a list without its value", []string{"label", "list", "--role"}, exitUsage, "--role : il manque sa valeur\n"},
		{"a number that is none", []string{"act", "approve", "0000000000", "--accept-lapses", "x"}, exitUsage, "--accept-lapses : « x » n'est pas un nombre entier\n"},
		{"a threshold without its unit", []string{"cycle", "register", "2029", "--threshold", "constitutif=150"}, exitUsage, "--threshold : « constitutif=150 » : un seuil s'écrit RÔLE=NOMBRE UNITÉ"},
		{"a threshold of no role", []string{"cycle", "register", "2029", "--threshold", "chef=150 patients"}, exitUsage, "« chef »"},
		{"a delay that is none", []string{"label", "list", "--timeout", "x"}, exitUsage, "--timeout : « x » : une durée"},
		{"a value to a flag that has none", []string{"--json=peut-être", "label", "list"}, exitUsage, "--json : « peut-être »"},
		{"no number of degrees", []string{"centre", "register", "--latitude", "abc"}, exitUsage, "--latitude : « abc » n'est pas un nombre\n"},
		{"a number below zero", []string{"coverage", "--within", "-3"}, exitUsage, "--within : « -3 » n'est pas une valeur possible\n"},
		{"two ways to restore", []string{"restore", "--ledger", "--stream"}, exitUsage, "--stream et --ledger s'excluent\n"},
		{"seeds that are not there", []string{"up", "--seed", "/nonexistent"}, exitUsage, "--seed : /nonexistent n'existe pas\n"},
		{"an id of a draft that is none", []string{"act", "drafts", "zzz"}, exitUsage, ": <ID> : « zzz »"},
		{"no delay at all", []string{"label", "list", "--timeout", "0s"}, exitUsage, "--timeout"},
		{"a delay below zero", []string{"label", "list", "--timeout=-1s"}, exitUsage, "--timeout"},
		{"an account with accents", []string{"label", "list", "--as", "Élise", "--server", nobody}, exitUsage, "--as « Élise »"},
		{"no verb", nil, exitUsage, "commande incorrecte"},
		{"an unknown verb", []string{"lable"}, exitUsage, "commande incorrecte"},
		{"an unknown flag", []string{"label", "list", "--colour", "red"}, exitUsage, "--colour"},
		{"no id", []string{"label", "get"}, exitUsage, "commande incorrecte"},
		{"a date that is none", []string{"label", "list", "--valid-at", "2022-02-30"}, exitUsage, "« 2022-02-30 » n'est pas un jour du calendrier (AAAA-MM-JJ)"},
		{"a role that is none", []string{"label", "list", "--role", "chef"}, exitUsage, "coordonnateur"},
		{"a moment that is none", []string{"label", "list", "--known-at", "hier"}, exitUsage, "position"},
		{"no server", []string{"label", "list", "--server", nobody}, exitFailed, "maillage up"},
		{"no server, a command", []string{"filiere", "register", "X", "--source", "s", "--server", nobody, "--request-id", "r1"}, exitFailed, "--request-id r1"},
		{"no server, a list of one kind", []string{"--json", "cycle", "list", "--server", nobody}, exitFailed, nobody},
		{"a template", []string{"act", "template"}, 0, "lines"},
		{"no such file", []string{"act", "record", "/nonexistent/a.json"}, exitFailed, "ne peut pas être lu"},
		{"a directory for a file", []string{"act", "record", seeds}, exitFailed, "c'est un répertoire"},
		{"an empty file", []string{"act", "record", file(" \n")}, exitRefused, "il est vide"},
		{"an empty annex", []string{"act", "plan", file(""), "--server", nobody}, exitRefused, "il est vide"},
		{"a day of publication alone", []string{"act", "plan", file("x"), "--published", "2023-12-29", "--server", nobody}, exitUsage, "BULLETIN|NUMÉRO|PAGES|DATE"},
		{"not JSON", []string{"act", "record", file("{\n  \"title\": \n}")}, exitRefused, "ligne 3"},
		{"an unknown field", []string{"act", "record", file("{\n  \"titre\": \"x\"}")}, exitRefused, "ligne 2"},
		{"not UTF-8", []string{"act", "record", file("{\"title\": \"Arr\xeat\xe9\"}")}, exitRefused, "enregistrez-le en UTF-8"},
		{"a mark before UTF-8", []string{"act", "record", "--server", nobody, file("\ufeff{}")}, exitFailed, "maillage up"},
		{"a mistyped id in a file", []string{"act", "record", file(`{"lines": [{"granted": {"site": {"centreId": "0000000001"}}}]}`)}, exitRefused, "lines[0].granted.site.centreId"},
		{"a mistyped id", []string{"centre", "get", "0000000001"}, exitUsage, "mal tapé"},
		{"too short an id", []string{"centre", "get", "00"}, exitUsage, "10 caractères"},
		{"a French date", []string{"label", "list", "--valid-at", "26/12/2023"}, exitUsage, "AAAA-MM-JJ"},
		{"a label without holder", []string{"label", "grant", "--source", "s"}, exitUsage, "qui détient le label"},
		{"a label of a centre in no network", []string{"label", "grant", "--source", "s", "--centre", "0000000000"}, exitUsage, "--network"},
		{"a label of two holders", []string{"label", "grant", "--source", "s", "--filiere", "0000000000", "--platform", "0000000000"}, exitUsage, "un seul titulaire"},
		{"a note that names the head", []string{"label", "grant", "--source", "s", "--filiere", "0000000000", "--head", "Pr Élise Dupont", "--note", "remplace le Dr DUPONT, Elise", "--server", nobody}, exitUsage, "--note nomme la personne"},
		{"a source that names the head", []string{"label", "renew", "0000000000", "--source", "courrier du Pr Dupont", "--head", "Dupont", "--server", nobody}, exitUsage, "--source nomme la personne"},
		{"a note that names the right head", []string{"label", "correct", "0000000000", "--corrects", "3", "--source", "s", "--head", "E. Dupont", "--note", "lire E. Dupont", "--server", nobody}, exitUsage, "--note nomme la personne"},
		{"a note that names no one", []string{"label", "grant", "--source", "s", "--filiere", "0000000000", "--head", "Pr Élise Dupont", "--note", "CHU Dupontel, page 12", "--server", nobody}, exitFailed, "maillage up"},
		{"help of a note", []string{"label", "grant", "--help"}, 0, "aucun nom de personne"},
		{"a line of an act that names its head", []string{"act", "record", "--server", nobody, file(`{"lines": [{}, {"granted": {"headName": "Élise Dupont"}, "asPrinted": [{"field": "a"}, {"field": "b", "value": "Pr Elise DUPONT"}]}]}`)}, exitRefused, "lines[1].asPrinted[1].value, ligne n° 2"},
		{"a note of an act that names a head", []string{"act", "record", "--server", nobody, file(`{"basis": {"note": "vu avec Élise Dupont"}, "lines": [{"renewed": {"grant": {"headName": "Dr Élise Dupont"}}}]}`)}, exitRefused, "basis.note nomme"},
		{"seeds of another shape", []string{"seed", seeds, "--server", nobody}, exitRefused, "colonne inconnue"},
		{"seeds and a made-up register", []string{"seed", seeds, "--synthetic"}, exitUsage, "répertoire"},
		{"too large a made-up register", []string{"seed", "--synthetic", "--labels", "2000000"}, exitUsage, "1000000"},
		{"the size of no made-up register", []string{"seed", "--labels", "1000"}, exitUsage, "--synthetic"},
		{"a made-up register, no server", []string{"seed", "--synthetic", "--synthetic-seed", "7", "--server", nobody}, exitFailed, "maillage up"},
		{"no seeds", []string{"seed", filepath.Join(seeds, "none")}, exitFailed, "répertoire"},
	} {
		t.Run(tc.given, func(t *testing.T) {
			out, errs, code := drive(t, "", tc.args...)
			text := errs
			if tc.code == 0 {
				text = out
			}
			if code != tc.code || !strings.Contains(text, tc.say) {
				t.Errorf("exit %d, want %d, with %q in:\n%s%s", code, tc.code, tc.say, out, errs)
			}
		})
	}
}

func TestErrorsInFrench(t *testing.T) {
	a := &app{client: Client{Server: nobody, Timeout: time.Second}, requestID: "r1"}
	overWire := func(e *fault.Error) error { return e.GRPCStatus().Err() }
	for _, tc := range []struct {
		given error
		code  int
		say   string
	}{
		{overWire(fault.New(fault.NotFound, "CENTRE_UNKNOWN", "lines[3].granted.site.centre_id", "no centre")), exitNotFound, "ligne n° 4 de l'acte"},
		{overWire(fault.New(fault.Refused, "PLAN_OPEN", "annex.lines[1]", "2 identities must be answered before, the first on this line")), exitRefused, "identités à trancher : 2 — champ « Ligne », ligne n° 2 de l'acte (PLAN_OPEN)"},
		{overWire(fault.New(fault.Unavailable, "POSITION_NOT_REACHED", "to.known_position", "m")), exitFailed, "champ « --to » (POSITION_NOT_REACHED)"},
		{overWire(fault.New(fault.NotFound, "SITE_UNKNOWN", "grant.site.site_id", "m")), exitNotFound, "champ « Site »"},
		{overWire(fault.New(fault.Invalid, "DATE_INVALID", "basis.seen_date", "m")), exitRefused, "champ « --seen »"},
		{overWire(fault.New(fault.Refused, "SUSPENSION_OUTSIDE_TERM", "suspended_from", "m")), exitRefused, "— champ « Suspendu à compter du » (SUSPENSION_OUTSIDE_TERM)"},
		{overWire(fault.New(fault.NotFound, "ESTABLISHMENT_UNKNOWN", "place.establishment_ids[1]", "m")), exitNotFound, "— champ « Établissements » (n° 2) (ESTABLISHMENT_UNKNOWN)"},
		{overWire(fault.New(fault.Invalid, "SOMETHING_NEW", "a.b_c[0]", "m")), exitRefused, "— champ a.b_c[0] (SOMETHING_NEW)"},
		{overWire(fault.New(fault.Invalid, "FINESS_INVALID", "finess", "check digit")), exitRefused, "FINESS"},
		{overWire(fault.New(fault.Refused, "SOMETHING_NEW", "", "the server says so")), exitRefused, "une règle du registre refuse la demande (SOMETHING_NEW)"},
		{overWire(fault.New(fault.Conflict, "LOG_MOVED", "", "moved")), exitRefused, "recommencez"},
		{overWire(fault.New(fault.NotFound, "NETWORK_NOT_YET", "", "from 2020")), exitNotFound, "pas encore"},
		{overWire(&fault.Error{Kind: fault.Damaged, Reason: "LOG_DAMAGED", Position: 7, Message: "m"}), exitDamage, "position 7"},
		{overWire(fault.New(fault.Unavailable, "OUTCOME_OPEN", "", "m")), exitFailed, "--request-id r1"},
		{errors.Join(overWire(fault.New(fault.Refused, "LABEL_ENDED", "", "m")), nil), exitRefused, "LABEL_ENDED"},
		{status.Error(codes.ResourceExhausted, "too large"), exitFailed, "trop grande"},
		{status.Error(codes.DeadlineExceeded, "x"), exitFailed, "--timeout"},
		{status.Error(codes.InvalidArgument, "bad"), exitRefused, "la demande n'a pas la forme attendue"},
		{status.Error(codes.Aborted, "again"), exitFailed, "recommencez"},
		{status.Error(codes.Internal, "broken"), exitFailed, "prévenez l'exploitant"},
		{context.Canceled, exitFailed, "interrompu"},
	} {
		text, code := a.explain(tc.given)
		if code != tc.code || !strings.Contains(text, tc.say) {
			t.Errorf("explain(%v) = %q, %d, want %q, %d", tc.given, text, code, tc.say, tc.code)
		}
	}
}

// The words of the server are those of the rules themselves: they are tried on requests
// that break them.
func TestBrokenRulesInFrench(t *testing.T) {
	basis := &eventv1.Basis{Source: "s"}
	grant := func(g *labellingv1.Grant) proto.Message {
		return &labellingv1.GrantLabelRequest{Basis: basis, Grant: g}
	}
	network := &labellingv1.Grant_NetworkId{NetworkId: "0000000000"}
	act := &labellingv1.RecordActRequest{Basis: basis, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "t", Lines: make([]*labellingv1.ActLine, 10001)}
	for i := range act.Lines {
		act.Lines[i] = &labellingv1.ActLine{Disposition: &labellingv1.ActLine_ConfirmedLabelId{ConfirmedLabelId: "0000000000"}}
	}
	for _, tc := range []struct {
		given proto.Message
		field string
		say   string
	}{
		{grant(&labellingv1.Grant{Holder: network, Period: &eventv1.Period{Start: "26/12/2023"}}), "grant.period.start", dateShape},
		{grant(&labellingv1.Grant{Holder: network, CycleId: "x"}), "grant.cycleId", idShape},
		{grant(&labellingv1.Grant{}), "grant.holder", holderAsked},
		{grant(&labellingv1.Grant{Holder: network, Role: 99}), "grant.role", "act template"},
		{act, "lines", "au plus 10 000 lignes"},
		{&labellingv1.RecordActRequest{Basis: basis, Kind: labellingv1.ActKind_ACT_KIND_ARRETE, Title: "t", Lines: []*labellingv1.ActLine{{}}}, "lines[0].disposition", "confirmedLabelId"},
		{&labellingv1.RecordActRequest{Basis: basis, Title: "t"}, "kind", "act template"},
		{&labellingv1.RepealLabelRequest{Basis: basis, LabelId: "0000000000", RepealedFrom: "2023"}, "repealedFrom", "complète"},
		{&labellingv1.ConfirmLabelRequest{LabelId: "0000000000"}, "basis", "à remplir"},
		{&topologyv1.RegisterFiliereRequest{Basis: basis}, "acronym", "à remplir"},
		{&topologyv1.RegisterFiliereRequest{Basis: basis, Acronym: "A", RequestId: "a b"}, "requestId", "au plus 64 caractères"},
		{&topologyv1.RegisterCentreRequest{Basis: basis, Name: strings.Repeat("x", 5000)}, "name", "caractères"},
		{&topologyv1.RegisterCentreRequest{Basis: basis, Place: &topologyv1.Place{Latitude: 100}}, "place.latitude", "de -90 à 90"},
		{&topologyv1.RegisterCentreRequest{Basis: basis, Place: &topologyv1.Place{CommuneCode: "1"}}, "place.communeCode", "13055"},
		{&topologyv1.RegisterCentreRequest{Basis: basis, Place: &topologyv1.Place{DepartmentCode: "1"}}, "place.departmentCode", "974"},
		{&labellingv1.CorrectLabelRequest{Basis: basis, LabelId: "0000000000"}, "corrects", "au moins 1"},
		{&registryv1.ListCentresRequest{PageSize: 2000}, "pageSize", "au plus 1000"},
	} {
		bad, is := errors.AsType[*protovalidate.ValidationError](protovalidate.Validate(tc.given))
		if !is {
			t.Errorf("%v breaks no rule", tc.given)
			continue
		}
		v := bad.Violations[0].Proto
		a := &app{fieldsAsJSON: true}
		got := a.sentence(fault.New(fault.Invalid, "REQUEST_INVALID", protovalidate.FieldPathString(v.GetField()), "%s", v.GetMessage()), "")
		if !strings.Contains(got, tc.say) || !strings.Contains(got, "champ "+tc.field) || strings.Contains(got, v.GetMessage()) {
			t.Errorf("%q at %s is told as %q, want %q", v.GetMessage(), tc.field, got, tc.say)
		}
	}
}

func TestStartFaultsInFrench(t *testing.T) {
	held, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	taken := held.Addr().String()
	data := t.TempDir()
	notDir := filepath.Join(data, "file")
	if err := os.WriteFile(notDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for given, tc := range map[string]struct {
		args []string
		say  string
	}{
		"gRPC's address taken": {[]string{"--grpc", taken, "--http", "off", "--nats", "off"}, "--grpc"},
		"HTTP's address taken": {[]string{"--grpc", "127.0.0.1:0", "--http", taken, "--nats", "off"}, "--http"},
		"NATS' address taken":  {[]string{"--grpc", "127.0.0.1:0", "--http", "off", "--nats", taken}, "--nats"},
		"not a directory":      {[]string{"--data", notDir}, notDir + " n'est pas un répertoire"},
	} {
		t.Run(given, func(t *testing.T) {
			if _, errs, code := drive(t, "", append([]string{"up", "--data", t.TempDir()}, tc.args...)...); code != exitFailed || !strings.Contains(errs, tc.say) {
				t.Errorf("exit %d, no %q in:\n%s", code, tc.say, errs)
			}
		})
	}
	for _, tc := range []struct {
		given error
		say   string
	}{
		{fmt.Errorf("vault: %w", &fs.PathError{Op: "mkdir", Path: "/srv/data/vault", Err: syscall.EACCES}), "/srv/data/vault : accès refusé"},
		{&fs.PathError{Op: "mkdir", Path: "/proc/x", Err: syscall.ENOENT}, "/proc/x n'existe pas"},
		{fmt.Errorf("open: %w", ledger.ErrLocked), "tient déjà ce grand livre"},
		{&fs.PathError{Op: "write", Path: "/srv/data/vault", Err: syscall.ENOSPC}, "plein"},
		{errors.New("anything else"), "anything else"},
	} {
		if got, code := new(app).explain(tc.given); code != exitFailed || !strings.Contains(got, tc.say) {
			t.Errorf("explain(%v) = %q, %d, want %q", tc.given, got, code, tc.say)
		}
	}
}

func TestWords(t *testing.T) {
	for typed, want := range map[string]labellingv1.Role{
		"coordonnateur": labellingv1.Role_ROLE_COORDINATOR, "COORDINATOR": labellingv1.Role_ROLE_COORDINATOR,
		"competence": labellingv1.Role_ROLE_COMPETENCE, "CCMR": labellingv1.Role_ROLE_COMPETENCE, "compétence": labellingv1.Role_ROLE_COMPETENCE,
		"crc": labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, "RESOURCE_AND_COMPETENCE": labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE,
		"non-précisé": labellingv1.Role_ROLE_UNSPECIFIED, "ROLE_COMPETENCE": labellingv1.Role_ROLE_COMPETENCE,
		"reference": labellingv1.Role_ROLE_REFERENCE, "Pemr": labellingv1.Role_ROLE_PEMR,
	} {
		if got, err := parseWord(roleWords, []byte(typed)); err != nil || got != want {
			t.Errorf("parseWord(%q) = %v, %v, want %v", typed, got, err, want)
		}
	}
	for _, w := range statusWords {
		for _, s := range append(w.typed, w.french, w.value.String()) {
			if got, err := parseWord(statusWords, []byte(s)); err != nil || got != w.value {
				t.Errorf("parseWord(%q) = %v, %v, want %v", s, got, err, w.value)
			}
		}
	}
}

// Every value of the enums an officer meets has a word.
func TestEveryValueHasAWord(t *testing.T) {
	for n := range labellingv1.Role_name {
		if inFrench(roleWords, labellingv1.Role(n)) == "" {
			t.Errorf("no word for role %d", n)
		}
	}
	for n := range labellingv1.Status_name {
		if n != 0 && inFrench(statusWords, labellingv1.Status(n)) == "" {
			t.Errorf("no word for status %d", n)
		}
	}
	for n := range labellingv1.TopologyEffectKind_name {
		if n != 0 && inFrench(topologyWords, labellingv1.TopologyEffectKind(n)) == "" {
			t.Errorf("no word for the effect on topology %d", n)
		}
	}
	for n := range labellingv1.Settlement_name {
		if n != 0 && inFrench(settlementWords, labellingv1.Settlement(n)) == "" {
			t.Errorf("no word for settlement %d", n)
		}
	}
	for _, m := range []proto.Message{&topologyv1.Event{}, &labellingv1.Event{}, &activityv1.Event{}} {
		facts := m.ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
		for i := range facts.Len() {
			if name := facts.Get(i).Name(); factNames[name] == "" {
				t.Errorf("no word for the fact %s", name)
			}
		}
	}
}

// Every field of a request that can be at fault has a name: an officer never reads that of
// the contract.
func TestEveryFieldHasAName(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	var walk func(m protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] || m.ParentFile().Package() == "google.protobuf" {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			if names[f.Name()] == "" {
				t.Errorf("no name for %s", f.FullName())
			}
			if f.Message() != nil {
				walk(f.Message())
			}
		}
	}
	for _, file := range []protoreflect.FileDescriptor{
		labellingv1.File_maillage_labelling_v1_service_proto, topologyv1.File_maillage_topology_v1_service_proto, registryv1.File_maillage_registry_v1_service_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				walk(methods.Get(j).Input())
			}
		}
	}
}

func TestTodoInFrench(t *testing.T) {
	for given, want := range map[string]string{
		"The line stayed undetermined: 3 | CHU [Nord]":                                               "3 | CHU [Nord]",
		"The post of co head is vacant.":                                                             "coresponsable",
		"The coordinator is held without approval.":                                                  "coordonnateur",
		"Its act prints Hôpital A, its centre is in Hôpital B, Dijon.":                               "l'acte imprime Hôpital A, le centre est à Hôpital B, Dijon",
		"The label stands and its network is closed.":                                                "le réseau est fermé",
		"The label stands and its centre and hospital are closed.":                                   "le centre est fermé, l'établissement est fermé",
		"Revision 2 of the report for 2024 waits for another person to validate it or send it back.": "2024, révision 2",
		"Anything else.": "",
	} {
		if got := todoText(&registryv1.TodoItem{Message: given}); got != want {
			t.Errorf("%q is told as %q, want %q", given, got, want)
		}
	}
	if got := todoText(&registryv1.TodoItem{Message: "The line stayed undetermined: x", Position: 12}); got != "x — à régler : « act settle 12 »" {
		t.Errorf("a line to be settled is told as %q", got)
	}
	text := assertionText(&labellingv1.Assertion{
		Field: "line", Value: "v", Position: 7, Settlement: labellingv1.Settlement_SETTLEMENT_SAME_LABEL, SettledLabelId: "A000000001",
	})
	if !strings.HasPrefix(text, "ligne non identifiée = v") || !strings.HasSuffix(text, "position 7 — réglé : même label A000000001") {
		t.Errorf("an assertion is told as %q", text)
	}
}

func TestDates(t *testing.T) {
	for given, want := range map[string]string{"": "", "2022": "2022", "2022-05": "05/2022", "2022-05-17": "17/05/2022"} {
		if got := frDate(given); got != want {
			t.Errorf("frDate(%q) = %q, want %q", given, got, want)
		}
	}
	for _, tc := range []struct {
		given *eventv1.Period
		want  string
	}{
		{nil, "début inconnu, fin inconnue"},
		{&eventv1.Period{Start: "2017", End: "2022"}, "depuis 2017, jusqu'en 2022"},
		{&eventv1.Period{Start: "2022-01-01", End: "2027-01-01"}, "depuis 01/01/2022, jusqu'au 31/12/2026 inclus"},
	} {
		if got := frPeriod(tc.given); got != tc.want {
			t.Errorf("frPeriod(%v) = %q, want %q", tc.given, got, tc.want)
		}
	}
	var k knownAt
	if err := k.UnmarshalText([]byte("2026-07-01")); err != nil || k.time.UTC().Format(time.RFC3339) != "2026-06-30T22:00:00Z" {
		t.Errorf("--known-at 2026-07-01 is %v, %v, want midnight in Paris", k.time.UTC(), err)
	}
	if got := (Moment{KnownAt: knownAt{set: true}}).asOf(); got.GetKnownAt() == nil {
		t.Error("--known-at 0 is not sent")
	}
}

func TestListFollowsEveryPage(t *testing.T) {
	at := &registryv1.Resolved{ValidAt: "2026-05-01", KnownPosition: 9}
	const atJSON = `,"resolved":{"validAt":"2026-05-01","knownPosition":"9"}}` + "\n"
	pages := map[string]page[*topologyv1.Filiere]{
		"":  {items: []*topologyv1.Filiere{{FiliereId: "A", Acronym: "Éé"}, {FiliereId: "B", Acronym: "B\x1b[2J"}}, next: "2", resolved: at},
		"2": {items: []*topologyv1.Filiere{{FiliereId: "C", Acronym: "C\nD"}}, resolved: at},
	}
	columns := []column[*topologyv1.Filiere]{{"Sigle", texts, (*topologyv1.Filiere).GetAcronym}, {"Filière", whole, (*topologyv1.Filiere).GetFiliereId}}
	for asJSON, want := range map[bool]string{
		false: "Sigle  Filière\nÉé     A\nB·[2J  B\nC D    C\nValable au 01/05/2026, connu à la position 9, 3 lignes.\n",
		true: `{"filiereId":"A","acronym":"Éé"` + atJSON + `{"filiereId":"B","acronym":"B\u001b[2J"` + atJSON +
			`{"filiereId":"C","acronym":"C\nD"` + atJSON,
	} {
		var out bytes.Buffer
		a := &app{ctx: t.Context(), stdout: &out, stderr: io.Discard, json: asJSON, client: Client{Server: nobody}}
		err := list(a, table[*topologyv1.Filiere]{columns: columns}, func(_ context.Context, _ grpc.ClientConnInterface, token string) (page[*topologyv1.Filiere], error) {
			return pages[token], nil
		})
		if err != nil || out.String() != want {
			t.Errorf("list = %v, %q, want %q", err, out.String(), want)
		}
	}
}

func TestTableIsNarrowed(t *testing.T) {
	columns := []cutting{whole, texts, texts}
	for _, tc := range []struct {
		most int
		want []int
	}{
		{84, []int{10, 40, 30}}, // it fits
		{64, []int{10, 25, 25}}, // texts give way, the widest first
		{26, []int{10, 6, 6}},   // as far as they may
		{25, []int{10, 40, 30}}, // too narrow: nothing is cut
	} {
		if got := narrow([]int{10, 40, 30}, columns, tc.most); !slices.Equal(got, tc.want) {
			t.Errorf("narrow to %d = %v, want %v", tc.most, got, tc.want)
		}
	}
	for _, tc := range []struct {
		s     string
		width int
		want  string
	}{{"éclair", 6, "éclair"}, {"éclair", 4, "écl…"}, {"e\u0301clair", 4, "e\u0301cl…"}, {"", 4, ""}} {
		if got := shortened(tc.s, tc.width); got != tc.want {
			t.Errorf("shortened(%q, %d) = %q, want %q", tc.s, tc.width, got, tc.want)
		}
	}
}

func TestTemplateIsARequest(t *testing.T) {
	request := &labellingv1.RecordActRequest{}
	if err := protojson.Unmarshal([]byte(actTemplate), request); err != nil {
		t.Fatal(err)
	}
	if err := protovalidate.Validate(request); err != nil {
		t.Error(err)
	}
}

func TestActsAreOrderedByDate(t *testing.T) {
	acts := []*labellingv1.Act{
		{Title: "no day"},
		{Title: "has effect", EffectiveDate: "2019"},
		{Title: "published", EffectiveDate: "2001", Publications: []*labellingv1.Publication{{}, {Date: "2018-03"}, {Date: "2017-05-01"}}},
		{Title: "signed", SignedDate: "2016-11-25", EffectiveDate: "2020"},
	}
	slices.SortFunc(acts, byDate)
	for i, want := range []string{"signed", "published", "has effect", "no day"} {
		if acts[i].GetTitle() != want {
			t.Errorf("act %d is %q, want %q", i, acts[i].GetTitle(), want)
		}
	}
}

// What a read says of a change is French, whatever words the contract has for it.
func TestChangesInFrench(t *testing.T) {
	for _, tc := range []struct{ field, before, after, want string }{
		{"approval", "APPROVAL_UNSPECIFIED", "APPROVAL_APPROVED", "approbation : ∅ → approuvé"},
		{"approval_date", "2024-11-01", "", "décidé le : 01/11/2024 → ∅"},
		{"opinions", "", "comité de suivi 2024-10-01 true, direction 2024 false", "avis : ∅ → comité de suivi 2024-10-01 favorable, direction 2024 défavorable"},
		{"interim", "true", "false", "intérim : oui → non"},
		{"withdrawn", "", "true", "retiré : non → oui"},
		{"role", "ROLE_COMPETENCE", "ROLE_CONSTITUTIVE", "rôle : compétence → constitutif"},
		{"period", "2024-09-01/", "2024-09-01/2025-08-01", "période : 01/09/2024 – ? → 01/09/2024 – 31/07/2025"},
		{"population", "POPULATION_UNSPECIFIED", "POPULATION_CHILD", "population : ∅ → enfants"},
		{"name", "A_B", "CHU_NORD", "nom : A_B → CHU_NORD"},
	} {
		if got := changesText([]*labellingv1.Change{{Field: tc.field, Before: tc.before, After: tc.after}}); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
	if got := reasonsText([]string{"title", "former name", "sites", "head", "finess"}); got != "intitulé, ancien nom, sites, responsable, FINESS" {
		t.Errorf("reasons %q", got)
	}
	if got := contractText("OFFICE_KIND_COORDINATOR Maladies respiratoires rares"); got != "coordonnateur Maladies respiratoires rares" {
		t.Errorf("name %q", got)
	}
	var shown bytes.Buffer
	if err := (&app{stdout: &shown}).show(&labellingv1.Draft{Reason: "liste incomplète"}, nil); err != nil || shown.String() != "Motif  liste incomplète\n" {
		t.Errorf("draft %q, %v", shown.String(), err)
	}
	yes := (&labellingv1.Act{AbsencesStated: true}).ProtoReflect()
	if got := details(yes); len(got) != 1 || got[0].value != "oui" {
		t.Errorf("details %v", got)
	}
}

// A plan that is not yet decided says so, and tells the act from the labels it leaves out.
func TestPlanTellsWhatIsOpen(t *testing.T) {
	var out bytes.Buffer
	err := (&app{stdout: &out}).printPlan(&labellingv1.Plan{
		Effects:  []*labellingv1.Effect{{Line: 1, Row: 4}, {Disposition: labellingv1.Disposition_DISPOSITION_LAPSED}},
		Counts:   []*labellingv1.EffectCount{{Labels: 1, OfLines: true}},
		Topology: []*labellingv1.TopologyEffect{{Kind: labellingv1.TopologyEffectKind_TOPOLOGY_EFFECT_KIND_ATTACHED, EntityKind: "centre", Name: "CHU de Dijon", Line: 1}},
		Refusals: []*labellingv1.Remark{{Reason: "LINES_SAME_SITE", Line: 4, Message: "Lines 1 and 4 of the list are about one site."}, {Reason: "DATE_INVALID", Message: `signed_date: "2023-13-01" is no date of the calendar.`}},
		Questions: []*labellingv1.Question{{Line: 1, Row: 4, Printed: "Wilson", Candidates: []*labellingv1.Candidate{
			{EntityId: "XXF0DBB435", Label: "CHU de Lille, ROLE_COMPETENCE, 2017"},
		}}},
		Warnings: []*labellingv1.Remark{{Reason: "WINDOW_OTHER"}, {Reason: "HEADS_SEVERAL", Line: 1, Row: 4}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var cells []string
	for line := range strings.Lines(out.String()) {
		cells = append(cells, strings.Join(strings.Fields(line), " "))
	}
	for _, want := range []string{
		"1 (rangée 4) à trancher non précisé", "absent perdu par absence non précisé", "à trancher non précisé 1 lignes de l'acte",
		"acte cette date n'existe pas : écrivez AAAA-MM-JJ, AAAA-MM ou AAAA : « 2023-13-01 » — champ « Signé le »",
		"4 deux lignes de l'acte portent sur le même site : lignes 1 et 4", "est rattaché à l'établissement centre CHU de Dijon 1",
		"1 (rangée 4) Wilson XXF0DBB435 CHU de Lille, compétence, 2017",
		"acte la période n'est pas celle du cycle", "1 (rangée 4) plusieurs responsables dans la cellule, gardés ensemble comme responsable du label",
	} {
		if !slices.Contains(cells, want) {
			t.Errorf("no row %q in:\n%s", want, out.String())
		}
	}
	if code := regexp.MustCompile(`[A-Z]+_[A-Z_]+`).FindString(out.String()); code != "" {
		t.Errorf("an officer is shown %s", code)
	}
	out.Reset()
	if err := (&app{stdout: &out, json: true}).printPlan(&labellingv1.Plan{Warnings: []*labellingv1.Remark{{Reason: "WINDOW_OTHER"}}}); err != nil || !strings.Contains(out.String(), "WINDOW_OTHER") {
		t.Errorf("a program is shown %s, %v", out.String(), err)
	}
}

func TestHistoryShowsCorrections(t *testing.T) {
	none := ""
	fact := &registryv1.Fact{Position: 9, Event: &registryv1.Fact_Labelling{Labelling: &labellingv1.Event{
		Meta: &eventv1.Meta{Corrects: 7, Basis: &eventv1.Basis{ActId: "A", ActLine: 3, Note: "relu"}},
		Fact: &labellingv1.Event_LabelCorrected{LabelCorrected: &labellingv1.LabelCorrected{LabelId: "L", Role: labellingv1.Role_ROLE_REFERENCE.Enum(), CycleId: &none}},
	}}}
	if _, content := factOf(fact); content != "corrige la position 7 ; Label : L ; Rôle : référence ; Cycle (id) : (vide)" {
		t.Errorf("content %q", content)
	}
	row := map[string]string{}
	for _, c := range historyColumns {
		row[c.title] = c.cell(fact)
	}
	if row["Acte"] != "A, ligne 3" || !strings.Contains(row["Fondement"], "relu") {
		t.Errorf("row %v", row)
	}
}

func TestMoments(t *testing.T) {
	for _, tc := range []struct {
		given *registryv1.Resolved
		want  string
	}{
		{&registryv1.Resolved{ValidAt: "2026-05-01", KnownPosition: 9}, "Valable au 01/05/2026, connu à la position 9"},
		{&registryv1.Resolved{ValidAt: "2026-05-02"}, "Valable au 02/05/2026, connu avant l'ouverture du registre"},
		{&registryv1.Resolved{ValidAt: "2026-05-02", KnownPosition: 9, Provisional: true}, "Valable au 02/05/2026, connu à la position 9, à titre provisoire"},
	} {
		if got := moment(tc.given); got != tc.want {
			t.Errorf("moment(%v) = %q, want %q", tc.given, got, tc.want)
		}
	}
}

func TestPlacesHaveNames(t *testing.T) {
	h := hospitals{
		"A": {Name: "CHU d'Angers", Place: &topologyv1.Place{City: "Angers", DepartmentCode: "49"}},
		"B": {Name: "Clinique", Place: &topologyv1.Place{City: "Angers", DepartmentCode: "49"}},
	}
	if got := h.names("A", "X", ""); got != "CHU d'Angers, X" {
		t.Errorf("names = %q", got)
	}
	if got := h.place(nil, []string{"A", "B", "X"}); got != "Angers (49)" {
		t.Errorf("place = %q", got)
	}
	if got := h.place(&topologyv1.Place{City: "Tours"}, []string{"A"}); got != "Tours" {
		t.Errorf("place = %q", got)
	}
}

func TestDetailsShowSources(t *testing.T) {
	entry := &registryv1.LabelEntry{
		Label: &labellingv1.Label{
			LabelId: "A", Role: labellingv1.Role_ROLE_COMPETENCE, Period: &eventv1.Period{Start: "2017"},
			Basis: []*eventv1.Basis{{Source: "BO", Evidence: eventv1.Evidence_EVIDENCE_STATED, Note: "n"}},
		},
		Status: labellingv1.Status_STATUS_UNDETERMINED,
	}
	var out bytes.Buffer
	a := &app{stdout: &out}
	if err := a.show(entry, &registryv1.Resolved{ValidAt: "2026-11-22"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"compétence", "depuis 2017, fin inconnue", "BO, énoncé — n", "indéterminé", "22/11/2026"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

// TestCopiesInFrench: what is wrong with a copy is said of the copy, without its password.
func TestCopiesInFrench(t *testing.T) {
	a := &app{client: Client{Server: nobody, Timeout: time.Second}, ctx: t.Context()}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "note"), []byte("bring bread"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		code int
		say  string
	}{
		"jsonl:" + dir + "/none/copy":                    {exitFailed, "COPY_UNUSABLE"},
		"postgres:nonsense":                              {exitFailed, "COPY_UNUSABLE"},
		"postgres://maillage:secret@" + nobody + "/copy": {exitFailed, "COPY_UNUSABLE"},
		"jsonl:" + dir + "/note":                         {exitDamage, "Mettez-la de côté"},
		"copy.jsonl":                                     {exitUsage, "jsonl:FICHIER"},
	} {
		_, _, _, err := (&FollowCmd{Sink: name}).begin(a, &follow.Follower{})
		text, code := a.explain(err)
		if code != want.code || !strings.Contains(text, want.say) || strings.Contains(text, "secret") || strings.Contains(text, "--data") {
			t.Errorf("%s: %q, %d", name, text, code)
		}
	}
}

// Of none and of one there is no plural in French.
func TestCounted(t *testing.T) {
	for n, want := range map[int]string{0: "0 ligne relue", 1: "1 ligne relue", 2: "2 lignes relues"} {
		if got := counted(n, "ligne(s) relue(s)"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Who follows in a terminal reads what happened, and of a fact of tomorrow that it is one.
func TestFollowNamesFacts(t *testing.T) {
	commit := &feedv1.Commit{KnownTime: timestamppb.New(time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC))}
	for i, e := range []*labellingv1.Event{{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{LabelId: "L"}}}, {}} {
		body, err := proto.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		commit.Records = append(commit.Records, &feedv1.Record{Position: uint64(i) + 7, Subject: "registry.labelling.label.L", Body: body})
	}
	var out bytes.Buffer
	if err := (&FollowCmd{}).print(&app{stdout: &out}, follow.Batch{Commits: []*feedv1.Commit{commit}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "7  01/07/2026 12:00:00  Label accordé ") || !strings.HasSuffix(lines[0], "  labelling.label.L") || !strings.Contains(lines[1], unknownFact) {
		t.Errorf("it is shown\n%s", out.String())
	}
}

// What is told of a label for programs has the names and numbers of the API's JSON.
func TestStoryAsJSON(t *testing.T) {
	b, err := json.Marshal(&story{Label: "L", Size: 9, Lines: []told{{"a", "b"}}, Episodes: []episode{{Position: 7, Title: "t", Leaf: "x"}}})
	want := `{"label":"L","lines":[{"name":"a","value":"b"}],"episodes":[{"position":"7","title":"t","lines":null,"leaf":"x"}],"origin":"","size":"9","root":"","signedBy":"","day":""}`
	if err != nil || string(b) != want {
		t.Errorf("%v: %s", err, b)
	}
}
