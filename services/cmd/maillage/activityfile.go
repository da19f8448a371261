package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// sheet is a CSV file with a header, and what was found wrong with it.
type sheet struct {
	file   string
	rows   []sheetRow
	faults []string
}

// sheetRow is a row of a sheet: its number as a spreadsheet counts, and its cells by
// column, trimmed.
type sheetRow struct {
	number int
	cells  map[string]string
}

// maxFaults is how many faults of a file are told at once.
const maxFaults = 20

// wrong notes that a cell is wrong.
func (s *sheet) wrong(r sheetRow, column, format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf("ligne %d, colonne %s : ", r.number, column)+fmt.Sprintf(format, args...))
}

// err is all that was found wrong, nil for nothing.
func (s *sheet) err() error {
	if len(s.faults) == 0 {
		return nil
	}
	told := s.faults[:min(len(s.faults), maxFaults)]
	if more := len(s.faults) - len(told); more > 0 {
		told = append(slices.Clip(told), "et "+counted(more, "autre(s)"))
	}
	return fileError{s.file, "rien n'a été enregistré, le fichier est à corriger :\n  " + strings.Join(told, "\n  ")}
}

// readSheet reads a CSV file, separated by commas or, as French spreadsheets do, by
// semicolons. Other columns than those known are refused: they may be mistyped.
func (a *app) readSheet(name string, required, optional []string) (*sheet, error) {
	data, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	return parseSheet(name, data, required, optional)
}

func parseSheet(name string, data []byte, required, optional []string) (*sheet, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, fileError{name, "il n'est pas en UTF-8"}
	}
	in := csv.NewReader(bytes.NewReader(data))
	header, _, _ := bytes.Cut(data, []byte("\n"))
	if bytes.Count(header, []byte(";")) > bytes.Count(header, []byte(",")) {
		in.Comma = ';'
	}
	columns, err := in.Read()
	if err != nil {
		return nil, fileError{name, csvFault(err)}
	}
	for i, c := range columns {
		columns[i] = strings.ToLower(strings.TrimSpace(c))
		if !slices.Contains(required, columns[i]) && !slices.Contains(optional, columns[i]) {
			return nil, fileError{name, fmt.Sprintf("colonne inconnue « %s » ; celles prévues : %s", c, strings.Join(slices.Concat(required, optional), ", "))}
		}
		if slices.Contains(columns[:i], columns[i]) {
			return nil, fileError{name, fmt.Sprintf("la colonne « %s » y est deux fois", c)}
		}
	}
	for _, c := range required {
		if !slices.Contains(columns, c) {
			return nil, fileError{name, "il manque la colonne « " + c + " »"}
		}
	}
	s := &sheet{file: name}
	for n := 2; ; n++ {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fileError{name, csvFault(err)}
		}
		row := sheetRow{n, make(map[string]string, len(cells))}
		for i, c := range cells {
			row.cells[columns[i]] = strings.TrimSpace(c)
		}
		if strings.Join(cells, "") != "" {
			s.rows = append(s.rows, row)
		}
	}
	if len(s.rows) == 0 {
		return nil, fileError{name, "il n'a pas de ligne sous ses en-têtes"}
	}
	return s, nil
}

// csvFault says where a file is no CSV.
func csvFault(err error) string {
	bad, is := errors.AsType[*csv.ParseError](err)
	switch {
	case !is:
		return "ce n'est pas du CSV : " + err.Error()
	case errors.Is(bad.Err, csv.ErrFieldCount):
		return fmt.Sprintf("ligne %d du fichier : elle n'a pas autant de cellules que la première", bad.Line)
	}
	return fmt.Sprintf("ligne %d du fichier : les guillemets du CSV ne vont pas par paires", bad.Line)
}

// need is the value of a column that must have one.
func (s *sheet) need(r sheetRow, column string) string {
	if r.cells[column] == "" {
		s.wrong(r, column, "elle est vide")
	}
	return r.cells[column]
}

// wordIn reads a word in a column.
func wordIn[E named](s *sheet, r sheetRow, column, text string, words []word[E]) (v E) {
	if text == "" {
		s.wrong(r, column, "elle est vide")
		return v
	}
	v, err := parseWord(words, []byte(text))
	if err != nil {
		s.wrong(r, column, "%v", err)
	}
	return v
}

// missionSet is the missions of an audience from a day on, and the rows they stand in.
type missionSet struct {
	request *activityv1.StateMissionsRequest
	sources []string
	rows    []int
}

// readMissions reads a file of missions: a set for each audience and first day.
func (a *app) readMissions(name string) ([]*missionSet, error) {
	s, err := a.readSheet(name, []string{"audience", "code", "title"}, []string{"valid_from", "source"})
	if err != nil {
		return nil, err
	}
	var sets []*missionSet
	for _, r := range s.rows {
		audience, from := wordIn(s, r, "audience", r.cells["audience"], audienceWords), r.cells["valid_from"]
		i := slices.IndexFunc(sets, func(set *missionSet) bool {
			return set.request.GetAudience() == audience && set.request.GetValidFrom() == from
		})
		if i < 0 {
			i = len(sets)
			sets = append(sets, &missionSet{request: &activityv1.StateMissionsRequest{Audience: audience, ValidFrom: from}})
		}
		set := sets[i]
		set.request.Missions = append(set.request.Missions, &activityv1.Mission{Code: s.need(r, "code"), Title: s.need(r, "title")})
		set.sources, set.rows = added(set.sources, r.cells["source"]), append(set.rows, r.number)
	}
	return sets, s.err()
}

func added(texts []string, text string) []string {
	if text == "" || slices.Contains(texts, text) {
		return texts
	}
	return append(texts, text)
}

// indicatorColumns are the columns of a file of indicators, of which some are required.
var indicatorColumns = []string{"code", "type", "title", "audiences", "heading", "definition", "unit", "mission", "required", "source"}

// askedFile is what a file asks, and the rows it stands in.
type askedFile struct {
	indicators []*activityv1.Indicator
	sources    []string
	rows       []int
}

// readIndicators reads a file of indicators.
func (a *app) readIndicators(name string) (f askedFile, err error) {
	s, err := a.readSheet(name, indicatorColumns[:4], append(slices.Clone(indicatorColumns[4:]), "value", "note"))
	if err != nil {
		return f, err
	}
	for _, r := range s.rows {
		x := &activityv1.Indicator{
			Code: s.need(r, "code"), Heading: r.cells["heading"], Title: s.need(r, "title"), Definition: r.cells["definition"],
			Type: wordIn(s, r, "type", r.cells["type"], valueTypeWords), Unit: r.cells["unit"], MissionCode: r.cells["mission"],
		}
		for audience := range strings.SplitSeq(r.cells["audiences"], "|") {
			x.Audiences = append(x.Audiences, wordIn(s, r, "audiences", strings.TrimSpace(audience), audienceWords))
		}
		if text := r.cells["required"]; text != "" {
			var ok bool
			if x.Required, ok = yes(text); !ok {
				s.wrong(r, "required", "« %s » n'est ni oui ni non", text)
			}
		}
		f.indicators, f.sources, f.rows = append(f.indicators, x), added(f.sources, r.cells["source"]), append(f.rows, r.number)
	}
	return f, s.err()
}

// valuesFile is the values of a report, and the rows they stand in; none for JSON.
type valuesFile struct {
	values []*activityv1.Value
	rows   []int
}

// readValues reads the values of a report: CSV, of which rows without a value are passed
// over, or JSON, a list of values or an object with such a list.
func (a *app) readValues(name string) (f valuesFile, err error) {
	data, err := a.readFile(name)
	if err != nil {
		return f, err
	}
	if start := bytes.TrimSpace(data); start[0] == '[' || start[0] == '{' {
		if start[0] == '[' {
			data = slices.Concat([]byte(`{"values":`), data, []byte("}"))
		}
		m := &activityv1.SubmitReportRequest{}
		if err := protojson.Unmarshal(data, m); err != nil {
			return f, fileError{name, strings.ReplaceAll(jsonFault(err), " (voir « maillage act template »)", "")}
		}
		return valuesFile{values: m.GetValues()}, nil
	}
	s, err := parseSheet(name, data, []string{"code", "type", "value"}, append(slices.Clone(indicatorColumns[2:]), "note"))
	if err != nil {
		return f, err
	}
	for _, r := range s.rows {
		if r.cells["value"] == "" {
			if r.cells["note"] != "" {
				s.wrong(r, "value", "elle est vide, et la ligne a une note")
			}
			continue
		}
		v := &activityv1.Value{IndicatorCode: s.need(r, "code"), Note: r.cells["note"]}
		if is := wordIn(s, r, "type", r.cells["type"], valueTypeWords); is != 0 {
			if err := setValue(v, is, r.cells["value"]); err != nil {
				s.wrong(r, "value", "%v", err)
			}
		}
		f.values, f.rows = append(f.values, v), append(f.rows, r.number)
	}
	return f, s.err()
}

// setValue reads a value of a type.
func setValue(v *activityv1.Value, is activityv1.ValueType, text string) error {
	places := map[activityv1.ValueType]int{activityv1.ValueType_VALUE_TYPE_QUANTITY: 3, activityv1.ValueType_VALUE_TYPE_EUROS: 2}
	switch is {
	case activityv1.ValueType_VALUE_TYPE_TEXT:
		v.Value = &activityv1.Value_Text{Text: text}
		return nil
	case activityv1.ValueType_VALUE_TYPE_FLAG:
		flag, ok := yes(text)
		if !ok {
			return fmt.Errorf("« %s » n'est ni oui ni non", text)
		}
		v.Value = &activityv1.Value_Flag{Flag: flag}
		return nil
	}
	n, err := decimal(text, places[is])
	switch is {
	case activityv1.ValueType_VALUE_TYPE_COUNT:
		v.Value = &activityv1.Value_Count{Count: n}
	case activityv1.ValueType_VALUE_TYPE_QUANTITY:
		v.Value = &activityv1.Value_Milli{Milli: n}
	case activityv1.ValueType_VALUE_TYPE_EUROS:
		v.Value = &activityv1.Value_Cents{Cents: n}
	}
	return err
}

// decimal reads a number, 0 or more, as the French or the English write it, and counts it
// in units of the last of so many decimal places.
func decimal(text string, places int) (uint64, error) {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '€' {
			return -1
		}
		if r == ',' {
			return '.'
		}
		return r
	}, text)
	whole, fraction, _ := strings.Cut(plain, ".")
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > places {
		if places == 0 {
			return 0, fmt.Errorf("« %s » n'est pas un nombre entier", text)
		}
		return 0, fmt.Errorf("« %s » a plus de %s", text, counted(places, "décimale(s)"))
	}
	n, err := strconv.ParseUint(whole+fraction+strings.Repeat("0", places-len(fraction)), 10, 64)
	if err != nil || whole == "" {
		return 0, fmt.Errorf("« %s » n'est pas un nombre, 0 ou plus", text)
	}
	return n, nil
}

// yes reads yes or no.
func yes(text string) (answer, ok bool) {
	switch identifier.Fold(text) {
	case "oui", "yes", "vrai", "true":
		return true, true
	case "non", "no", "faux", "false":
		return false, true
	}
	return false, false
}

// measuresFile is the measures of a file, and the rows they stand in.
type measuresFile struct {
	measures []*activityv1.Measure
	rows     []int
}

// readMeasures reads a file of measures.
func (a *app) readMeasures(name string) (f measuresFile, err error) {
	s, err := a.readSheet(name, []string{"site", "year", "unit", "count"}, nil)
	if err != nil {
		return f, err
	}
	for _, r := range s.rows {
		m := &activityv1.Measure{Unit: wordIn(s, r, "unit", r.cells["unit"], unitWords)}
		var site id
		if err := site.UnmarshalText([]byte(s.need(r, "site"))); err != nil {
			s.wrong(r, "site", "%v", err)
		}
		m.SiteId = string(site)
		if text := s.need(r, "year"); text != "" {
			year, err := strconv.ParseUint(text, 10, 32)
			if m.Year = uint32(year); err != nil {
				s.wrong(r, "year", "« %s » n'est pas une année", text)
			}
		}
		if text := s.need(r, "count"); text != "" {
			n, err := decimal(text, 0)
			if err == nil && n > 1<<32-1 {
				err = fmt.Errorf("« %s » est trop grand", text)
			}
			if m.Count = uint32(n); err != nil {
				s.wrong(r, "count", "%v", err)
			}
		}
		f.measures, f.rows = append(f.measures, m), append(f.rows, r.number)
	}
	return f, s.err()
}

// itemField is the path of a field of what a row of a file says.
var itemField = regexp.MustCompile(`^(?:missions|indicators|values|measures)\[(\d+)\](?:\.(.*))?$`)

// columnOf is the column of a field that bears another name.
var columnOf = map[string]string{"site_id": "site", "indicator_code": "code", "mission_code": "mission"}

// inFile says of an error in which row and column of a file it is; an error that is in
// none stays as it is.
func (a *app) inFile(err error, name string, rows []int) error {
	if err == nil {
		return nil
	}
	f, is := fault.FromStatus(unjoined(err))
	if !is {
		return err
	}
	m := itemField.FindStringSubmatch(f.Field)
	if m == nil {
		return err
	}
	i, numErr := strconv.Atoi(m[1])
	if numErr != nil || i >= len(rows) {
		return err
	}
	at := fmt.Sprintf("ligne %d", rows[i])
	if column := m[2]; column != "" {
		if other, is := columnOf[column]; is {
			column = other
		}
		at += ", colonne " + column
	}
	bare := *f
	bare.Field = ""
	if f.Reason == "REQUEST_INVALID" {
		bare.Field = f.Field
	}
	return fileError{name, "rien n'a été enregistré : " + at + " : " + a.sentence(&bare, a.detail(&bare, false))}
}
