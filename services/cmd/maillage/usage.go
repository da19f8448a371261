package main

import (
	"bytes"
	"cmp"
	"io"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// usageWords say in French what the parser of the command line says, in its own words;
// the first that is found stands, and what is around it stays.
var usageWords = []struct {
	said   *regexp.Regexp
	french string
}{
	{regexp.MustCompile(`^missing flags: (.*)`), "il manque $1"},
	{regexp.MustCompile(`^missing positional arguments (.*)`), "il manque $1"},
	{regexp.MustCompile(`^expected one of (.*), \.\.\.`), "dites lequel : $1..."},
	{regexp.MustCompile(`^expected one of (.*)`), "dites lequel : $1"},
	{regexp.MustCompile(`^expected "(.*)"`), "il manque $1"},
	{regexp.MustCompile(`unknown flag (\S+?)(, did you mean .*)?$`), "l'option $1 n'existe pas$2"},
	{regexp.MustCompile(`unexpected (?:flag )?argument (.*?)(, did you mean .*)?$`), "« $1 » est de trop, ou mal écrit$2"},
	{regexp.MustCompile(`: expected .* value but got "EOL".*`), " : il manque sa valeur"},
	{regexp.MustCompile(`: missing value, expecting .*`), " : il manque sa valeur"},
	{regexp.MustCompile(`: expected .* value but got "(.*)" \(.*`), " : « $1 » n'est pas une valeur possible"},
	{regexp.MustCompile(`: expected a float but got (\S*) .*`), " : « $1 » n'est pas un nombre"},
	{regexp.MustCompile(`(\S+) and (\S+) can't be used together`), "$1 et $2 s'excluent"},
	{regexp.MustCompile(`: stat (.*?): no such file or directory`), " : $1 n'existe pas"},
	{regexp.MustCompile(`: "?(.*?)"? exists but is not a directory`), " : $1 n'est pas un répertoire"},
	{regexp.MustCompile(`: "?(.*?)"? exists but is a directory`), " : $1 est un répertoire : il faut un fichier"},
	{regexp.MustCompile(`^\[(<\S+>)\]: («)`), "$1 : $2"},
	{regexp.MustCompile(`: expected duration but got "(.*?)".*`), " : « $1 » : une durée s'écrit 30s, 2m ou 1h"},
	{regexp.MustCompile(`: expected a(?:n int| valid \d+ bit u?int) but got "(.*?)".*`), " : « $1 » n'est pas un nombre entier"},
	{regexp.MustCompile(`: bool value must be .* but got "(.*?)"`), " : « $1 » : cette option se donne seule"},
	{regexp.MustCompile(`^(\S+) must be one of (.*) but got (.*)`), "$1 : « $3 » n'est pas une valeur possible ; ce sont : $2"},
	{regexp.MustCompile(`^(\S+): («)`), "$1 : $2"},
}

var meant = regexp.MustCompile(`, did you mean (?:one of )?(".*")\?$`)

// usageText says in French what is wrong with a command line.
func usageText(said string) string {
	for _, w := range usageWords {
		if m := w.said.FindStringSubmatchIndex(said); m != nil {
			said = said[:m[0]] + string(w.said.ExpandString(nil, w.french, said, m)) + said[m[1]:]
			break
		}
	}
	if m := meant.FindStringSubmatchIndex(said); m != nil {
		said = said[:m[0]] + " ; peut-être : " + said[m[2]:m[3]]
	}
	return strings.NewReplacer(`"`, "", " or --", " ou --").Replace(said)
}

// helpWords are the words of the frame of a help text.
var helpWords = strings.NewReplacer(
	"Usage: ", "Usage : ", " <command>", " <commande>", "[flags]", "[options]",
	"\nArguments:\n", "\nArguments :\n", "\nFlags:\n", "\nOptions :\n", "\nCommands:\n", "\nCommandes :\n",
	"Show context-sensitive help.", "Montrer cette aide.",
)

var moreHelp = regexp.MustCompile(`(?m)^Run "(.*)" for more\s+information( on a command)?\.$`)

// frenchHelp prints the help of a verb.
func frenchHelp(options kong.HelpOptions, ctx *kong.Context) error {
	out := ctx.Stdout
	var text bytes.Buffer
	ctx.Stdout = &text
	err := kong.DefaultHelpPrinter(options, ctx)
	ctx.Stdout = out
	if err != nil {
		return err
	}
	said := either(text.String(), ctx.Selected())
	_, err = io.WriteString(out, moreHelp.ReplaceAllString(helpWords.Replace(said), "« $1 » en dit plus."))
	return err
}

// either says of required flags that exclude one another that one of them is enough.
func either(help string, verb *kong.Node) string {
	if verb == nil {
		return help
	}
	groups := map[string][]string{}
	for _, f := range verb.Flags {
		if f.Required {
			for _, x := range f.Xor {
				groups[x] = append(groups[x], "--"+f.Name+"="+f.FormatPlaceHolder())
			}
		}
	}
	for _, flags := range groups {
		help = strings.Replace(help, strings.Join(flags, " "), "("+strings.Join(flags, " | ")+")", 1)
	}
	return help
}

// argumentWords are the names of the arguments in French.
var argumentWords = map[string]string{
	"id": "ID", "name": "NOM", "candidate": "CANDIDAT", "code": "CODE", "acronym": "SIGLE", "title": "INTITULÉ", "holder": "TITULAIRE",
	"establishment": "ÉTABLISSEMENT", "legal-entity": "ENTITÉ", "filiere": "FILIÈRE", "file": "FICHIER", "dir": "RÉPERTOIRE", "parts": "SERVICE", "position": "POSITION",
	"period": "PÉRIODE", "kind": "NATURE", "entity": "OBJET", "system": "SYSTÈME", "value": "IDENTIFIANT",
}

// nameValues names in French the arguments, and the value of each flag that does not
// name its own.
func nameValues(model *kong.Application) error {
	return kong.Visit(model, func(node kong.Visitable, next kong.Next) error {
		if argument, is := node.(*kong.Positional); is && argument.Flag == nil {
			argument.Name = cmp.Or(argumentWords[argument.Name], argument.Name)
		}
		flag, is := node.(*kong.Flag)
		if is && flag.PlaceHolder == "" && !flag.HasDefault && !flag.IsBool() {
			flag.PlaceHolder = "TEXTE"
			switch kind := flag.Target.Type().Name(); {
			case strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "int"):
				flag.PlaceHolder = "N"
			case strings.HasPrefix(kind, "float"):
				flag.PlaceHolder = "DEGRÉS"
			case kind != "string":
				flag.PlaceHolder = "MOT"
			}
		}
		return next(nil)
	})
}
