package query

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	"maillage/services/registry/lens"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// paged is what the requests of all lists have in common. Its law: a request differs
// from that of the next page in its page_size and page_token only.
type paged interface {
	GetAsOf() *registryv1.AsOf
	GetPageSize() uint32
	GetPageToken() string
}

// pageToken is where a page of a list begins. Since an answer at a moment never
// changes, the moment and an offset are enough.
type pageToken struct {
	valid       bitemporal.Date
	known       uint64
	provisional bool
	offset      int
	query       [8]byte // digest of the request it goes on with
}

const tokenVersion = 1

func (t pageToken) String() string {
	b := append([]byte{tokenVersion}, t.query[:]...)
	b = binary.AppendVarint(b, int64(t.valid))
	b = binary.AppendUvarint(b, t.known)
	b = binary.AppendUvarint(b, uint64(t.offset))
	if t.provisional {
		b = append(b, 1)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

var errToken = errors.New("not a page token of this service")

func parseToken(s string) (pageToken, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 9 || b[0] != tokenVersion {
		return pageToken{}, errToken
	}
	t := pageToken{query: [8]byte(b[1:9])}
	r := bytes.NewReader(b[9:])
	valid, err1 := binary.ReadVarint(r)
	known, err2 := binary.ReadUvarint(r)
	offset, err3 := binary.ReadUvarint(r)
	if errors.Join(err1, err2, err3) != nil || r.Len() > 1 || valid != int64(bitemporal.Date(valid)) || offset > 1<<31 {
		return pageToken{}, errToken
	}
	t.valid, t.known, t.offset, t.provisional = bitemporal.Date(valid), known, int(offset), r.Len() == 1
	return t, nil
}

// pageOf reads the token of a request, nil on the first page. A token of another
// request is refused: its offset would mean something else there.
func pageOf(req paged, query [8]byte) (*pageToken, error) {
	if req.GetPageToken() == "" {
		return nil, nil
	}
	t, err := parseToken(req.GetPageToken())
	if err != nil {
		return nil, fault.New(fault.Invalid, "PAGE_TOKEN_INVALID", "page_token", "%v", err)
	}
	if t.query != query {
		return nil, fault.New(fault.Invalid, "PAGE_TOKEN_INVALID", "page_token",
			"the token belongs to another request: only page_size and page_token may differ")
	}
	return &t, nil
}

// digest tells requests apart by what is listed, the AsOf and the filters.
func digest(listed string, asOf *registryv1.AsOf, filters string) (d [8]byte, err error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(asOf)
	if err != nil {
		return d, fmt.Errorf("digest of the request: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", listed, b, filters))
	return [8]byte(sum[:]), nil
}

// span returns the part of total entries that a page shows, and the token of the
// next page, empty after the last.
func span(req paged, page *pageToken, query [8]byte, m moment, total int) (from, to int, next string) {
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	if page != nil {
		from = min(page.offset, total)
	}
	to = min(from+min(size, maxPage), total)
	if to < total {
		next = pageToken{m.valid, m.known, m.provisional, to, query}.String()
	}
	return from, to, next
}

// paging is a page of a list with filters.
type paging struct {
	moment
	req   paged
	page  *pageToken
	query [8]byte
}

// pagingOf reads a request for a page. What is listed and the filters, which are the
// request but for its moment and its page, tell it apart from others.
func pagingOf[R interface {
	proto.Message
	paged
}](ctx context.Context, q *Queries, listed string, req R,
) (p paging, err error) {
	filter := proto.Clone(req).ProtoReflect()
	for _, name := range [...]protoreflect.Name{"as_of", "page_size", "page_token"} {
		filter.Clear(filter.Descriptor().Fields().ByName(name))
	}
	filters, err := proto.MarshalOptions{Deterministic: true}.Marshal(filter.Interface())
	if err != nil {
		return p, fmt.Errorf("digest of the request: %w", err)
	}
	p.req = req
	if p.query, err = digest(listed, req.GetAsOf(), string(filters)); err != nil {
		return p, err
	}
	if p.page, err = pageOf(req, p.query); err != nil {
		return p, err
	}
	p.moment, err = q.resolve(ctx, req.GetAsOf(), p.page)
	return p, err
}

// span is the part of total entries that the page shows, and the token of the next.
func (p paging) span(total int) (from, to int, next string) {
	return span(p.req, p.page, p.query, p.moment, total)
}

// pager chooses what a page shows and notes what a list says of itself.
func (p paging) pager(total *uint32, next *string) lens.Pager {
	return func(n int) (from, to int) {
		*total = uint32(n)
		from, to, *next = p.span(n)
		return from, to
	}
}
