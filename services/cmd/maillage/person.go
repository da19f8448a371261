package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

// The head of a centre is a value of the vault, which can be erased; what stands beside
// it in the same command is an event, which cannot.

const noPerson = "aucun nom de personne n'a sa place ici, où rien ne s'efface"

// unnamed refuses a command whose free text names the head that it also gives.
func (g Grounds) unnamed(head string) error {
	for _, flag := range [][2]string{{"--note", g.Note}, {"--source", g.Source}} {
		if mentions(flag[1], head) {
			return usage(flag[0] + " nomme la personne donnée par --head ou --name : " + noPerson + " ; ôtez-la, le coffre seul garde son nom")
		}
	}
	return nil
}

// namedIn is where an act names the head of one of its lines beside that line's
// headName: the path as a JSON file spells it, empty for nowhere.
func namedIn(act *labellingv1.RecordActRequest) string {
	for i, line := range act.GetLines() {
		head := line.GetGranted().GetHeadName() + line.GetRenewed().GetGrant().GetHeadName()
		switch {
		case head == "":
			continue
		case mentions(act.GetBasis().GetNote(), head):
			return "basis.note"
		case mentions(act.GetBasis().GetSource(), head):
			return "basis.source"
		}
		for j, printed := range line.GetAsPrinted() {
			if mentions(printed.GetValue(), head) {
				return fmt.Sprintf("lines[%d].asPrinted[%d].value", i, j)
			}
		}
	}
	return ""
}

var titles = []string{"pr", "prs", "dr", "drs", "prof", "professeur", "professeure", "docteur", "docteure", "m", "mr", "mme", "mlle"}

// mentions reports whether a text holds a person's name, whatever the case and accents,
// with or without the title, the given name before or after the surname.
func mentions(text, person string) bool {
	words := slices.DeleteFunc(wordsOf(person), func(w string) bool { return slices.Contains(titles, w) })
	in := " " + strings.Join(wordsOf(text), " ") + " "
	for range words {
		if strings.Contains(in, " "+strings.Join(words, " ")+" ") {
			return true
		}
		words = append(words[1:], words[0])
	}
	return false
}

func wordsOf(s string) []string {
	return strings.FieldsFunc(identifier.Fold(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
