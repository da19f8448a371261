package main

import (
	"regexp"
	"strconv"
	"strings"

	"maillage/services/fault"
)

// What an officer is told of a value that is not in the form of its field.
const (
	idShape     = "un identifiant a 10 caractères, le dernier de contrôle"
	idMistyped  = "est mal tapé : le dernier caractère, de contrôle, ne va pas avec les autres"
	dateShape   = "une date s'écrit AAAA-MM-JJ, AAAA-MM ou AAAA"
	holderAsked = "dites qui détient le label : site (centre et réseau), réseau, filière ou plateforme"
)

// rules say in French what the rules of the contract say of a request that breaks
// them; the first that is found in the words of the server stands. $1 and $2 are its
// numbers.
var rules = []struct {
	said   *regexp.Regexp
	french string
}{
	{regexp.MustCompile(`regex pattern .*\[0-9\]\{4\}\(`), dateShape},
	{regexp.MustCompile(`regex pattern .*\[0-9\]\{4\}-`), "cette date doit être complète : AAAA-MM-JJ"},
	{regexp.MustCompile(`regex pattern .*\{10\}`), idShape},
	{regexp.MustCompile(`regex pattern .*\{0,(\d+)\}`), "une clé a au plus $1 caractères : lettres sans accent, chiffres, « - » et « _ »"},
	{regexp.MustCompile(`regex pattern .*\[0-9AB\]\[0-9\]\{3\}`), "un code de commune INSEE a cinq caractères : 13055, 2A004"},
	{regexp.MustCompile(`regex pattern .*\[0-9AB\]`), "un code de département a deux ou trois caractères : 13, 2A, 974"},
	{regexp.MustCompile(`no more than (\d+) item`), "au plus $1 éléments"},
	{regexp.MustCompile(`at most (\d+) characters`), "au plus $1 caractères"},
	{regexp.MustCompile(`at most (\d+) bytes`), "au plus $1 octets"},
	{regexp.MustCompile(`at least 1 characters`), "ce champ est à remplir"},
	{regexp.MustCompile(`value is required`), "ce champ est à remplir"},
	{regexp.MustCompile(`greater than or equal to (-?\d+) and less than or equal to (-?\d+)`), "un nombre de $1 à $2"},
	{regexp.MustCompile(`greater than or equal to (-?\d+)`), "au moins $1"},
	{regexp.MustCompile(`less than or equal to (-?\d+)`), "au plus $1"},
	{regexp.MustCompile(`defined|not be in list`), "cette valeur n'est pas de celles prévues (voir « maillage act template »)"},
}

// oneofs is the same where one of several fields has to be given, by their name.
var oneofs = map[string]string{
	"holder":      holderAsked,
	"disposition": "dites ce que fait la ligne : granted, renewed, confirmedLabelId, repealedLabelId, extended, suspended, reinstated, withdrawnLabelId, annulled, lapsedLabelId ou amended",
}

// broken says in French which rule a request breaks, and is empty where it has no
// words for it.
func broken(e *fault.Error) string {
	name := e.Field[strings.LastIndexByte(e.Field, '.')+1:]
	if strings.Contains(e.Message, "required in oneof") {
		return oneofs[name]
	}
	for _, r := range rules {
		m := r.said.FindStringSubmatch(e.Message)
		if m == nil {
			continue
		}
		text := r.french
		for i, number := range m[1:] {
			text = strings.Replace(text, "$"+strconv.Itoa(i+1), grouped(number), 1)
		}
		if name == "lines" {
			text = strings.Replace(text, "éléments", "lignes", 1)
		}
		return text
	}
	return ""
}

// grouped writes a number as the French do: 10 000.
func grouped(n string) string {
	for i := len(n) - 3; len(n) > 4 && i > 0; i -= 3 {
		n = n[:i] + " " + n[i:]
	}
	return n
}

var afterUnderscore = regexp.MustCompile(`_([a-z0-9])`)

// asJSON is the path of a field as a JSON file spells it.
func asJSON(field string) string {
	return afterUnderscore.ReplaceAllStringFunc(field, func(s string) string { return strings.ToUpper(s[1:]) })
}
