package feed

import (
	"encoding/base64"
	"encoding/binary"

	"golang.org/x/mod/sumdb/tlog"

	"maillage/services/eventlog"
	"maillage/services/fault"
)

// A cursor is a version byte, the epoch, the position (8 bytes each, big-endian) and the
// leaf hash of the record there, in base64url. To those who keep it, it means nothing.
const (
	cursorVersion = 1
	cursorLength  = 1 + 8 + 8 + tlog.HashSize
)

func formatCursor(c eventlog.Cursor) string {
	b := make([]byte, 0, cursorLength)
	b = append(b, cursorVersion)
	b = binary.BigEndian.AppendUint64(b, c.Epoch)
	b = binary.BigEndian.AppendUint64(b, c.Position)
	return base64.RawURLEncoding.EncodeToString(append(b, c.Leaf[:]...))
}

func parseCursor(s string) (eventlog.Cursor, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != cursorLength || b[0] != cursorVersion {
		return eventlog.Cursor{}, fault.New(fault.Invalid, "CURSOR_INVALID", "cursor", "not a cursor of this service")
	}
	return eventlog.Cursor{
		Epoch:    binary.BigEndian.Uint64(b[1:]),
		Position: binary.BigEndian.Uint64(b[9:]),
		Leaf:     tlog.Hash(b[17:]),
	}, nil
}
