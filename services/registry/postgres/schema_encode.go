package postgres

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"maillage/services/bitemporal"
	"maillage/services/registry"
)

// What follows is the binary format of COPY: a header, then for each row the number of
// its fields and each field after its length; -1 is the length of NULL.

const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	copyTrailer = "\xff\xff"
)

const (
	textOID    = 25
	integerOID = 23

	lowerIncluded  = 0x02
	lowerUnbounded = 0x08
	upperUnbounded = 0x10

	daysTo2000 = 10957 // from 1970-01-01, the first of the days that PostgreSQL counts
)

var epoch2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func appendCount(b []byte, fields int) []byte {
	return binary.BigEndian.AppendUint16(b, uint16(fields))
}

func appendNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

// appendText appends a text; U+0000, which no column can hold, is U+FFFD there.
func appendText(b []byte, s string) []byte {
	s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// appendKnownText appends a text that is NULL where it is empty.
func appendKnownText(b []byte, s string) []byte {
	if s == "" {
		return appendNull(b)
	}
	return appendText(b, s)
}

func appendBytes(b, bytes []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(bytes))), bytes...)
}

func appendInt4(b []byte, n int32) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(n))
}

func appendInt8(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(n))
}

func appendFloat8(b []byte, f float64) []byte { return appendInt8(b, int64(math.Float64bits(f))) }

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 0, 0, 0, 1, 1)
	}
	return append(b, 0, 0, 0, 1, 0)
}

func appendTime(b []byte, t time.Time) []byte { return appendInt8(b, t.Sub(epoch2000).Microseconds()) }

// appendSized appends what f does, after its length.
func appendSized(b []byte, f func(b []byte) ([]byte, error)) ([]byte, error) {
	at := len(b)
	b, err := f(append(b, 0, 0, 0, 0))
	if err == nil {
		binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	return b, err
}

// appendList appends a one-dimensional array of n elements.
func appendList(b []byte, oid uint32, n int, element func(b []byte, i int) []byte) []byte {
	b, _ = appendSized(b, func(b []byte) ([]byte, error) {
		if n == 0 {
			return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 0, 0, 0, 0, 0), oid), nil
		}
		b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 1, 0, 0, 0, 0), oid)
		b = append(binary.BigEndian.AppendUint32(b, uint32(n)), 0, 0, 0, 1)
		for i := range n {
			b = element(b, i)
		}
		return b, nil
	})
	return b
}

func appendTexts(b []byte, all []string) []byte {
	return appendList(b, textOID, len(all), func(b []byte, i int) []byte { return appendText(b, all[i]) })
}

func appendInts(b []byte, all []uint32) []byte {
	return appendList(b, integerOID, len(all), func(b []byte, i int) []byte { return appendInt4(b, int32(all[i])) })
}

func appendDays(b []byte, days bitemporal.Interval) []byte {
	flags := byte(lowerIncluded)
	if days.From == bitemporal.Past {
		flags = lowerUnbounded
	}
	if days.To == bitemporal.Future {
		flags |= upperUnbounded
	}
	b, _ = appendSized(b, func(b []byte) ([]byte, error) {
		b = append(b, flags)
		if flags&lowerUnbounded == 0 {
			b = appendInt4(b, int32(days.From)-daysTo2000)
		}
		if flags&upperUnbounded == 0 {
			b = appendInt4(b, int32(days.To)-daysTo2000)
		}
		return b, nil
	})
	return b
}

func appendPositions(b []byte, from, to uint64) []byte {
	if to >= registry.StillKnown {
		b = append(b, 0, 0, 0, 13, lowerIncluded|upperUnbounded)
		return appendInt8(b, int64(from))
	}
	b = append(b, 0, 0, 0, 25, lowerIncluded)
	return appendInt8(appendInt8(b, int64(from)), int64(to))
}

// appendKey appends the number of an id, NULL where it has none.
func appendKey(b []byte, id string) []byte {
	key, ok := keyOf(id)
	if !ok {
		return appendNull(b)
	}
	return appendInt8(b, key)
}

const (
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	minted    = 10 // characters of an id
)

var digits = func() (all [256]int8) {
	for i := range all {
		all[i] = int8(strings.IndexByte(crockford, byte(i)))
	}
	return all
}()

// keyOf is the number of an id that is minted, or of one with a digit after it (that of
// the measures of a site in a unit). No two ids have one number; others have none.
func keyOf(id string) (key int64, ok bool) {
	if len(id) != minted && len(id) != minted+2 {
		return 0, false
	}
	for i := range minted {
		d := digits[id[i]]
		if d < 0 {
			return 0, false
		}
		key = key<<5 | int64(d)
	}
	if len(id) == minted {
		return key << 4, true
	}
	if id[minted] != '.' || id[minted+1] < '0' || id[minted+1] > '9' {
		return 0, false
	}
	return key<<4 | int64(id[minted+1]-'0'+1), true
}
