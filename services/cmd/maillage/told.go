package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// tellings are the sentences of the register whose values alone would not be understood,
// in its words and in French.
var tellings = []struct {
	said   *regexp.Regexp
	french string
}{
	{regexp.MustCompile(`^(\d+) labels are lost by absence from the act; (\d+) were accepted`), "perdus : $1, acceptés : $2"},
	{regexp.MustCompile(`^(\d+) questions are not answered and (\d+) faults not mended`), "identités à trancher : $1, refus : $2"},
	{regexp.MustCompile(`^(\d+) identities must be answered before`), "identités à trancher : $1"},
	{regexp.MustCompile(`^no \S+ is known as "([^"]*)"(?:; near it: (.*))?$`), "« $1 » ; noms voisins : $2"},
	{regexp.MustCompile(` is known from (\S+) on, not on `), "à compter du $1"},
	{regexp.MustCompile(` is known until (\S+), not on `), "jusqu'au $1"},
	{regexp.MustCompile(`^"([^"]*)" is no kind of entity; those are (.*)$`), "« $1 » n'est aucune de celles-ci : $2"},
	{regexp.MustCompile(`(?i)^position (\d+) cannot be read yet, the last one that can is (\d+)`), "la dernière lisible est $2"},
	{regexp.MustCompile(`^Label (\S+) goes on in label (\S+)`), "il se poursuit dans le label $2"},
	{regexp.MustCompile(`^Label \S+ is repealed from (\S+)`), "il est abrogé à compter du $1"},
	{regexp.MustCompile(`^Label \S+ is annulled from (\S+)`), "il est annulé à compter du $1"},
	{regexp.MustCompile(`^Label \S+ was lost from (\S+) on`), "il est perdu depuis le $1"},
	{regexp.MustCompile(`^Label \S+ should never have been recorded`), "il est enregistré à tort"},
	{regexp.MustCompile(`term of label \S+, (\S*) to (\S*)$`), "le label va du $1 au $2"},
	{regexp.MustCompile(`^Label \S+ is held from (\S+) to (\S+?)[,:]`), "le label est tenu du $1 au $2"},
	{regexp.MustCompile(`^Label \S+ is suspended from (\S+) to (\S*) already`), "il l'est du $1 au $2"},
	{regexp.MustCompile(`^Label \S+ begins on (\S+), not before the list of (\S+)`), "le label commence le $1, la liste a effet le $2"},
	{regexp.MustCompile(`^The end (\S+) is not after the start (\S*)$`), "du $2 au $1"},
	{regexp.MustCompile(`^The label that ends would end before it begins`), "le label qui finit finirait avant d'avoir commencé"},
	{regexp.MustCompile(`^Opened from "([^"]*)", maintained from "([^"]*)", closed from "([^"]*)"`), "ouvert : $1, maintenu : $2, fermé : $3"},
	{regexp.MustCompile(`^Office (\S+) ended on (\S+)`), "le poste $1 a pris fin le $2"},
	{regexp.MustCompile(`control character (\S+), (\d+) bytes from its start`), "$1, après $2 octets"},
	{regexp.MustCompile(`^(\d+) events in one command; at most (\d+) are taken`), "$1 faits, au plus $2"},
	{regexp.MustCompile(`^The event at position (\d+) is not one of this label`), "position $1"},
	{regexp.MustCompile(`^The event at position (\d+) records no assertion`), "position $1"},
	{regexp.MustCompile(`^Lines (\d+) and (\d+) of the list `), "lignes $1 et $2"},
	{regexp.MustCompile(`^Line (\d+) of the list has the number (\d+) already`), "la ligne $1 porte déjà le numéro $2"},
	{regexp.MustCompile(`^Line (\d+) of the list answers otherwise`), "à la ligne $1, autre réponse pour le même réseau imprimé"},
	{regexp.MustCompile(`^The list has no line (\d+) `), "pas de ligne $1"},
	{regexp.MustCompile(`^The network would have (\d+) coordinators`), "$1"},
	{regexp.MustCompile(`^(\d+) labels begin without a stated end`), "labels : $1"},
	{regexp.MustCompile(`^(\d+) heads are printed`), "noms : $1"},
	{regexp.MustCompile(`^(\d+) labels of the scope stay as they are: (\S+) is`), "labels : $1, jour : $2"},
	{regexp.MustCompile(`^The act does nothing to any label of its scope from (\S+) on`), "à compter du $1"},
	{regexp.MustCompile(`^The window (\S*) to (\S*) is not that of the cycle, (\S*) to (\S*)$`), "du $1 au $2, et le cycle du $3 au $4"},
	{regexp.MustCompile(`^It was published on (\S+), before it was signed on (\S+)$`), "publié le $1, signé le $2"},
	{regexp.MustCompile(`^(\S+) is not after the end of label (\S+), (\S*)$`), "$1, et le label $2 va jusqu'au $3"},
	{regexp.MustCompile(`^The network is printed under (.+) too: that one counts`), "$1 en est une autre"},
	{regexp.MustCompile(`^(\S+) is printed of another new hospital too`), "$1"},
	{regexp.MustCompile(`^lines\[(\d+)\] `), "lines[$1]"},
	{regexp.MustCompile(`^the ledger holds (\d+) positions and the stream only (\d+): `), "le grand livre a $1 positions et le journal $2 : « maillage restore --stream » refait le second"},
	{regexp.MustCompile(`^the ledger holds or announced (\d+) positions that the stream does not hold so: `), "le grand livre a, ou a annoncé, $1 positions que le journal n'a pas ainsi : « maillage restore --stream » refait le second"},
	{regexp.MustCompile(`^only a bundle with all records can be replayed; this one is of (.+)$`), "il faut un paquet entier, fait sans --label ni --act ; celui-ci est de $1"},
	{regexp.MustCompile(`^another process keeps the ledger of this log`), ""},
	{regexp.MustCompile(`^the vault in (.+) is not the one that belongs to this log$`), "coffre : $1"},
	{regexp.MustCompile(`^(?:another vault belongs to|the vault of the process that keeps the ledger is not the one that belongs to) this log$`), ""},
	{regexp.MustCompile(`^(?:checkpoints of this log were signed, and )?there is no key in ([^;]+)(?:$|;)`), "$1"},
	{regexp.MustCompile(`^others can read the key (.+): chmod 600$`), "$1"},
	{regexp.MustCompile(`^a line of (.+) is no key of a signed note$`), "une ligne de $1"},
	{regexp.MustCompile(`^(.+) holds no key$`), "$1"},
	{regexp.MustCompile(`^the stream holds (\d+) positions and there is no ledger in (.+): position 1 is missing there$`), "le journal a $1 positions, et $2 n'en a aucune"},
	{regexp.MustCompile(`^position (\d+) was announced, the stream ends at (\d+) and the ledger at (\d+): `), "la position $1 a été annoncée ; le journal s'arrête à $2, le grand livre à $3"},
	{regexp.MustCompile(`^position (\d+) was announced and both stores end at (\d+): `), "la position $1 a été annoncée, et les deux copies s'arrêtent à $2 : reconstruire l'une d'après l'autre n'apporte rien (« maillage restore --new-epoch »)"},
	{regexp.MustCompile(`^the ledger ends at (\d+) and the stream at (\d+): `), "le grand livre s'arrête à $1 et le journal à $2 : refaites le premier (« maillage restore --ledger »)"},
	{regexp.MustCompile(`^the stream ends at (\d+) and the ledger at (\d+): `), "le journal s'arrête à $1, le grand livre à $2"},
	{regexp.MustCompile(`^nothing announced is missing: the ledger holds (\d+) positions$`), "le grand livre en a $1"},
	{regexp.MustCompile(`^the ledger in (.+) is empty: `), "$1"},
	{regexp.MustCompile(`^there is no store in (.+?): `), "$1"},
	{regexp.MustCompile(`^the process halted and must be started again: `), ""},
	{regexp.MustCompile(`^this process answers no reads: only the part (\S+) keeps rows in PostgreSQL$`), "seul le service $1 tient des tables"},
	{regexp.MustCompile(`^Say what becomes of the link (\S+) \((\S+) of "(.*)" with "(.*)"\),.* (\d+) more are undecided(?:: (.*))?`), "lien $1 ($2 : « $3 » avec « $4 »), et encore $5 ($6)"},
	{regexp.MustCompile(`^Say what becomes of .*?(\S+)(?: \("(.*)"\))?, which .* (\d+) more are undecided(?:: (.*))?`), "$1 « $2 », et encore $3 ($4)"},
}

var (
	// valueSaid is what a sentence of the register names: a text in quotes, an id, a
	// place in the lines of an act, a word of the contract, or a day.
	valueSaid = regexp.MustCompile(`"[^"]*"|\b[0-9A-HJKMNP-TV-Z]{10}\b|\blines\[\d+\]|\b[A-Z]+(?:_[A-Z]+)+\b|\b\d{4}-\d{2}-\d{2}\b`)
	daySaid   = regexp.MustCompile(`\b\d{4}-\d{2}(?:-\d{2})?\b`)
	lineSaid  = regexp.MustCompile(`\blines\[(\d+)\]`)
	// unsaid is what a telling says of a value that is not there, and of a quote within one.
	unsaid = strings.NewReplacer(" ; noms voisins : |", "", ", et encore 0 ()|", "", " ()|", "", " «  »", "", `\"`, `"`, " : ,", " : ?,", " : |", " : ?", "-infinity", "?", "infinity", "?", "|", "")
)

// toldInFrench is what a sentence of the register says besides its reason: its values,
// in French where words go with them. Empty for none.
func toldInFrench(said string) string {
	if told, is := telling(said); is {
		return told
	}
	var values []string
	for _, v := range valueSaid.FindAllString(said, -1) {
		if quoted := strings.Trim(v, `"`); quoted == "" {
			continue
		} else if quoted != v {
			v = "« " + quoted + " »"
		} else {
			v = valueInFrench(v)
		}
		if !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return strings.Join(values, ", ")
}

// telling is the French of a sentence of the register that has words of its own; is says
// whether it has.
func telling(said string) (told string, is bool) {
	for _, t := range tellings {
		if m := t.said.FindStringSubmatchIndex(said); m != nil {
			text := string(t.said.ExpandString(nil, t.french, said, m))
			return valueInFrench(unsaid.Replace(text + "|")), true
		}
	}
	return "", false
}

// valueInFrench writes days, lines of an act and words of the contract as an officer
// reads them.
func valueInFrench(text string) string {
	text = daySaid.ReplaceAllStringFunc(text, frDate)
	text = lineSaid.ReplaceAllStringFunc(text, func(s string) string {
		n, err := strconv.Atoi(lineSaid.FindStringSubmatch(s)[1])
		if err != nil {
			return s
		}
		return "ligne n° " + strconv.Itoa(n+1)
	})
	return contractText(text)
}
