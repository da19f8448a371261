package snapshot

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"

	"maillage/services/bitemporal"
	"maillage/services/registry"
)

// appendRow appends a row as a line of JSON:
//
//	{"table":"labels","id":"...","valid":["2017-08-08",null],"known":[12,null],"value":{...},"encoded":"..."}
//
// Both spans are half-open; null is a bound that is not there. The value is the resource in
// the JSON of protocol buffers, and encoded the same in the bytes that the state digest is
// of, in base64.
func appendRow(b []byte, r registry.Row) ([]byte, error) {
	b = append(b, `{"table":"`...)
	b = append(b, r.Table...)
	b = append(b, `","id":`...)
	id, err := json.Marshal(r.ID)
	if err != nil {
		return nil, err
	}
	b = append(b, id...)
	b = appendDay(append(b, `,"valid":[`...), r.Version.Valid.From)
	b = appendDay(append(b, ','), r.Version.Valid.To)
	b = strconv.AppendUint(append(b, `],"known":[`...), r.Version.KnownFrom, 10)
	b = append(b, ',')
	if r.Version.KnownTo == registry.StillKnown {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendUint(b, r.Version.KnownTo, 10)
	}
	b = append(b, `],"value":`...)
	value := r.Value()
	text, err := protojson.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("row %s of %s: %w", r.ID, r.Table, err)
	}
	out := bytes.NewBuffer(b)
	if err := json.Compact(out, text); err != nil { // protobuf's JSON puts spaces at random
		return nil, err
	}
	encoded, err := registry.AppendValue(nil, value)
	if err != nil {
		return nil, fmt.Errorf("row %s of %s: %w", r.ID, r.Table, err)
	}
	b = append(out.Bytes(), `,"encoded":"`...)
	b = base64.StdEncoding.AppendEncode(b, encoded)
	return append(b, "\"}\n"...), nil
}

func appendDay(b []byte, d bitemporal.Date) []byte {
	if d == bitemporal.Past || d == bitemporal.Future {
		return append(b, "null"...)
	}
	return append(append(append(b, '"'), d.String()...), '"')
}
