package vault

import (
	"crypto/hmac"
	"strings"
)

// Opening is a value with the salt of its commitment: who has the event that a value stands
// in can tell by it that it is that value, and needs no vault for that.
type Opening struct {
	ID   string `json:"value_id"`
	Kind string `json:"kind"` // person_name, rpps, email ...
	Salt []byte `json:"salt"` // 32 bytes
	Text string `json:"text"` // Unicode NFC
}

// Opens tells whether a commitment of an event is to this value.
func (o Opening) Opens(commitment []byte) bool {
	// A zero byte in the type would let its end and the text's beginning be told otherwise.
	return len(o.Salt) == saltBytes && !strings.ContainsRune(o.Kind, 0) &&
		hmac.Equal(sum(o.Salt, []byte(o.Kind), []byte{0}, []byte(o.Text)), commitment)
}

// Opening returns the opening of a value; ok and err are those of [Vault.Get].
func (v *Vault) Opening(id string) (o Opening, ok bool, err error) {
	val, ok, err := v.get(id)
	if !ok || err != nil {
		return Opening{}, false, err
	}
	return Opening{ID: id, Kind: val.kind, Salt: val.salt[:], Text: val.text}, true, nil
}
