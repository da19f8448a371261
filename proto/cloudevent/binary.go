package cloudevent

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// prefix is what the names of the headers of a message begin with that are attributes.
const prefix = "ce-"

// Header is the headers of an event of [Register.Binary] as a message of NATS: the binary mode
// of the NATS binding of CloudEvents (nats-protocol-binding.md, 3.1). Its body is what is
// stored. Names are small letters; brokers and clients keep them so.
func (e *Event) Header() map[string][]string {
	h := make(map[string][]string, 11)
	set := func(name, value string) {
		if value != "" {
			h[prefix+name] = []string{escaped(value)}
		}
	}
	set("specversion", e.SpecVersion)
	set("id", e.ID)
	set("source", e.Source)
	set("type", e.Type)
	set("subject", e.Subject)
	set("time", e.Time)
	set("datacontenttype", e.DataContentType)
	set("dataschema", e.DataSchema)
	set("commitindex", strconv.FormatUint(uint64(e.CommitIndex), 10))
	set("commitsize", strconv.FormatUint(uint64(e.CommitSize), 10))
	set("cursor", e.Cursor)
	return h
}

// Read is the event of a message in binary mode. Names of headers are taken whatever their
// case; attributes that are not known here are passed over.
func Read(header map[string][]string, body []byte) (*Event, error) {
	e := &Event{Stored: body}
	counts := map[string]*uint32{"commitindex": &e.CommitIndex, "commitsize": &e.CommitSize}
	texts := map[string]*string{
		"specversion": &e.SpecVersion, "id": &e.ID, "source": &e.Source, "type": &e.Type, "subject": &e.Subject,
		"time": &e.Time, "datacontenttype": &e.DataContentType, "dataschema": &e.DataSchema, "cursor": &e.Cursor,
	}
	for name, values := range header {
		name, ours := strings.CutPrefix(strings.ToLower(name), prefix)
		if !ours || len(values) == 0 {
			continue
		}
		value, err := unescaped(values[0])
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", prefix, name, err)
		}
		switch text, count := texts[name], counts[name]; {
		case text != nil:
			*text = value
		case count != nil:
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%s%s: %w", prefix, name, err)
			}
			*count = uint32(n)
		}
	}
	if e.SpecVersion != "1.0" || e.ID == "" || e.Source == "" || e.Type == "" {
		return nil, errors.New("it is no CloudEvent 1.0 in binary mode")
	}
	return e, nil
}

// escaped is a value as it stands in a header: a space, a double quote, a percent sign and
// all that is no printable ASCII are percent-encoded (3.1.3.2 there).
func escaped(value string) string {
	plain := func(c byte) bool { return c > ' ' && c <= '~' && c != '"' && c != '%' }
	n := 0
	for n < len(value) && plain(value[n]) {
		n++
	}
	if n == len(value) {
		return value
	}
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// unescaped is the inverse of escaped, also of a value in double quotes, as earlier versions of
// the binding allowed.
func unescaped(value string) (string, error) {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		var b strings.Builder
		for inner := value[1 : len(value)-1]; inner != ""; inner = inner[1:] {
			if inner[0] == '\\' && len(inner) > 1 {
				inner = inner[1:]
			}
			b.WriteByte(inner[0])
		}
		value = b.String()
	}
	text, err := url.PathUnescape(value)
	if err == nil && !utf8.ValidString(text) {
		err = errors.New("what is percent-encoded there is no UTF-8")
	}
	return text, err
}
