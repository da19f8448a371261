package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/atlas"
	"maillage/services/bitemporal"
	"maillage/services/fault"
	feedgw "maillage/services/web/gen/maillage/feed/v1"
	ledgergw "maillage/services/web/gen/maillage/ledger/v1"
	registrygw "maillage/services/web/gen/maillage/registry/v1"
)

const (
	geoJSON        = "application/geo+json"
	positionHeader = "Maillage-Position"
)

// contractTag tells one version of the contract from another: an answer of the other one
// may look different.
var contractTag = `W/"` + digest(string(openAPI)) + `"`

// digest tells texts apart.
func digest(texts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", texts))
	return hex.EncodeToString(sum[:12])
}

// read is a call of the contract as it is offered over HTTP.
type read struct {
	path    string
	input   protoreflect.MessageType
	bound   []string // fields that the path sets
	moments []string // fields that are an AsOf
	names   bool     // its answer may hold names of persons
}

// service is one whose calls are offered.
type service struct {
	descriptor protoreflect.ServiceDescriptor
	register   func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error
}

// services are those that only read: each of their calls says under which paths it is
// offered. A further one is a line here.
var services = []service{
	{registryv1.File_maillage_registry_v1_service_proto.Services().ByName("RegistryService"), registrygw.RegisterRegistryServiceHandler},
	{registryv1.File_maillage_registry_v1_map_proto.Services().ByName("MapService"), registrygw.RegisterMapServiceHandler},
	{registryv1.File_maillage_registry_v1_activity_proto.Services().ByName("ActivityQueryService"), registrygw.RegisterActivityQueryServiceHandler},
	{registryv1.File_maillage_registry_v1_alias_proto.Services().ByName("AliasService"), registrygw.RegisterAliasServiceHandler},
	{feedv1.File_maillage_feed_v1_notice_proto.Services().ByName("NoticeService"), feedgw.RegisterNoticeServiceHandler},
	{ledgerv1.File_maillage_ledger_v1_proof_proto.Services().ByName("ProofService"), ledgergw.RegisterProofServiceHandler},
	{ledgerv1.File_maillage_ledger_v1_service_proto.Services().ByName("LedgerService"), ledgergw.RegisterLedgerServiceHandler},
}

// named are the messages that hold what is taken from the vault: it can be erased, and is
// never to be kept by a cache.
var named = []protoreflect.FullName{
	"maillage.registry.v1.LabelEntry", "maillage.registry.v1.OfficeEntry", "maillage.registry.v1.DirectoryEntry",
}

// readsOf are the reads of the services, by the path of each.
func readsOf(services []service) (map[string]*read, error) {
	all := map[string]*read{}
	for _, s := range services {
		for i := range s.descriptor.Methods().Len() {
			m := s.descriptor.Methods().Get(i)
			rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
			if rule == nil {
				continue
			}
			input, err := protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName())
			if err != nil {
				return nil, fmt.Errorf("HTTP: %w", err)
			}
			for _, one := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
				r := &read{path: one.GetGet(), input: input, names: reaches(m.Output(), named, map[protoreflect.FullName]bool{})}
				for i := range m.Input().Fields().Len() {
					f := m.Input().Fields().Get(i)
					if f.Message() != nil && f.Message().FullName() == "maillage.registry.v1.AsOf" {
						r.moments = append(r.moments, f.JSONName())
					}
					if strings.Contains(r.path, "{"+string(f.Name())+"}") {
						r.bound = append(r.bound, f.JSONName(), string(f.Name()))
					}
				}
				all[r.path] = r
			}
		}
	}
	return all, nil
}

// reaches says whether a message is, or may hold, one of some.
func reaches(m protoreflect.MessageDescriptor, some []protoreflect.FullName, seen map[protoreflect.FullName]bool) bool {
	if slices.Contains(some, m.FullName()) {
		return true
	}
	if seen[m.FullName()] {
		return false
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		if f := m.Fields().Get(i); f.Message() != nil && reaches(f.Message(), some, seen) {
			return true
		}
	}
	return false
}

// newReads is the gateway.
func newReads(h *Handler) (http.Handler, error) {
	reads, err := readsOf(services)
	if err != nil {
		return nil, err
	}
	// Of what is not set, scalars and lists are there all the same, so that every object of
	// a kind has them; messages are left out.
	plain := &runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitDefaultValues: true}}
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, plain),
		runtime.WithMarshalerOption(geoJSON, &mapMarshaler{plain}),
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptSlash),
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingTrailerMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithForwardResponseOption(tell),
		runtime.WithMiddlewares(func(next runtime.HandlerFunc) runtime.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request, bound map[string]string) {
				pattern, _ := runtime.HTTPPattern(r.Context())
				h.answer(reads[strings.ReplaceAll(pattern.String(), "=*}", "}")], w, r, bound, func(w http.ResponseWriter, r *http.Request) { next(w, r, bound) })
			}
		}),
		runtime.WithErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
			problemOf(err).write(w)
		}),
		runtime.WithRoutingErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, code int) {
			switch code {
			case http.StatusMethodNotAllowed:
				refuseMethod(w)
			case http.StatusBadRequest:
				newProblem(code, "REQUEST_INVALID", "", "the path cannot be read").write(w)
			default:
				newProblem(code, "ROUTE_UNKNOWN", "", "nothing is offered under this path: see /openapi.json").write(w)
			}
		}),
	)
	for _, s := range services {
		// The connection is ours to close: the context never ends.
		if err := s.register(context.Background(), mux, h.conn); err != nil {
			return nil, fmt.Errorf("HTTP: %w", err)
		}
	}
	return mux, nil
}

// mapMarshaler writes the map as GeoJSON.
type mapMarshaler struct{ *runtime.JSONPb }

func (m *mapMarshaler) Marshal(v any) ([]byte, error) {
	if answer, ok := v.(*registryv1.GetMapResponse); ok {
		return atlas.GeoJSON(answer), nil
	}
	return m.JSONPb.Marshal(v)
}

func (m *mapMarshaler) ContentType(v any) string {
	if _, ok := v.(*registryv1.GetMapResponse); ok {
		return geoJSON
	}
	return m.JSONPb.ContentType(v)
}

// question is a read that is under way.
type question struct {
	*read
	key   string // tells it from every other question
	epoch uint64
	fixed uint64 // its moment, where it can have but one answer for ever; else 0
	today string // the civil day in Paris when it was asked
}

type questionKey struct{}

// tag is the entity tag of the answer that speaks for a position. Answers with names have
// none before they are there.
func (q *question) tag(position uint64) string {
	if q.fixed != 0 {
		return fmt.Sprintf(`W/"%d-%s"`, q.fixed, digest(q.key, strconv.FormatUint(q.epoch, 10)))
	}
	return fmt.Sprintf(`W/"%d-%s"`, position, digest(q.key, strconv.FormatUint(q.epoch, 10), q.today))
}

// answer answers a read, where the one that the caller has does not still hold.
func (h *Handler) answer(read *read, w http.ResponseWriter, r *http.Request, bound map[string]string, next http.HandlerFunc) {
	tracePath(r, read.path)
	values, err := queryOf(r)
	if err == nil {
		err = read.check(values)
	}
	for name, text := range bound {
		err = cmp.Or(err, read.fits(name, []string{text}))
	}
	if err != nil {
		problemOf(err).write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), deadline+patienceOf(r))
	defer cancel()
	status, err := h.ledger.GetStatus(ctx, &ledgerv1.GetStatusRequest{})
	if err != nil {
		problemOf(err).write(w)
		return
	}
	if err := h.await(ctx, status, values, patienceOf(r)); err != nil {
		problemOf(err).write(w)
		return
	}
	media := "application/json"
	if accepts(r, geoJSON) {
		media = geoJSON
	}
	r = r.WithContext(ctx)
	r.Header = r.Header.Clone()
	r.Header.Set("Accept", media) // the gateway knows no lists
	w.Header().Add("Vary", "Accept")
	q := &question{
		read: read, epoch: status.GetHead().GetEpoch(), today: bitemporal.Today(time.Now()).String(),
		key: digest(contractTag, media, r.URL.Path, values.Encode()), fixed: read.fixedAt(values),
	}
	// Of a process that halted only the answer itself says whether there is one.
	if !read.names && status.GetHalted() == "" && matches(r, q.tag(status.GetHead().GetSize())) {
		q.tell(w, status.GetHead().GetSize())
		w.WriteHeader(http.StatusNotModified)
		return
	}
	next(&conditional{ResponseWriter: w, r: r, q: q}, r.WithContext(context.WithValue(ctx, questionKey{}, q)))
}

// queryOf is the parameters of a request, which are text.
func queryOf(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Invalid, "REQUEST_INVALID", "", "the parameters cannot be read: a %% is to be followed by two hexadecimal digits, and a ; stands as %%3B")
	}
	for name, texts := range values {
		if !utf8.ValidString(name + strings.Join(texts, "")) {
			return nil, fault.New(fault.Invalid, "REQUEST_INVALID", strings.ToValidUTF8(name, "\uFFFD"), "it is not UTF-8")
		}
	}
	return values, nil
}

// check refuses parameters that a read does not know, and values that cannot be read, by
// the name of the parameter.
func (r *read) check(values url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if slices.Contains(r.bound, name) || fieldOf(r.input.Descriptor(), name) == nil {
			return fault.New(fault.Invalid, "REQUEST_INVALID", name, "this read has no such parameter: see /openapi.json")
		}
		if err := r.fits(name, values[name]); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses what cannot be the value of a parameter that there is, in a sentence: the
// gateway's own is about the code that reads it.
func (r *read) fits(name string, texts []string) error {
	parser := runtime.DefaultQueryParser{}
	if parser.Parse(r.input.New().Interface(), url.Values{name: texts}, utilities.NewDoubleArray(nil)) == nil {
		return nil
	}
	f := fieldOf(r.input.Descriptor(), name)
	what := "a value of this parameter"
	switch {
	case f == nil:
	case len(texts) > 1 && !f.IsList():
		return fault.New(fault.Invalid, "REQUEST_INVALID", name, "it is given twice")
	case f.Message() != nil: // no other message is a parameter
		what = "a time such as 2024-05-01T10:00:00Z"
	case f.Enum() != nil:
		var all []string
		for i := range f.Enum().Values().Len() {
			if v := f.Enum().Values().Get(i); v.Number() != 0 {
				all = append(all, string(v.Name()))
			}
		}
		what = "one of " + strings.Join(all, ", ")
	case f.Kind() == protoreflect.BoolKind:
		what = "true or false"
	case slices.Contains([]protoreflect.Kind{protoreflect.Uint32Kind, protoreflect.Uint64Kind}, f.Kind()):
		what = "a whole number"
	case slices.Contains([]protoreflect.Kind{protoreflect.FloatKind, protoreflect.DoubleKind}, f.Kind()):
		what = "a number"
	}
	return fault.New(fault.Invalid, "REQUEST_INVALID", name, "%q is not %s", strings.Join(texts, ","), what)
}

// fieldOf is the field that the name of a parameter leads to, nil where there is none.
func fieldOf(m protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	first, rest, more := strings.Cut(name, ".")
	f := cmp.Or(m.Fields().ByJSONName(first), m.Fields().ByTextName(first))
	switch {
	case f == nil || more != (f.Message() != nil && f.Message().FullName() != "google.protobuf.Timestamp"):
		return nil
	case more:
		return fieldOf(f.Message(), rest)
	}
	return f
}

// fixedAt is the position as known at which a question is asked, 0 where that or the day
// is left open, or where the answer may hold names, which can be erased.
func (r *read) fixedAt(values url.Values) (position uint64) {
	if r.names || len(r.moments) == 0 {
		return 0
	}
	for _, moment := range r.moments {
		known, err := strconv.ParseUint(either(values, moment, "knownPosition", "known_position"), 10, 64)
		if err != nil || known == 0 || either(values, moment, "validAt", "valid_at") == "" {
			return 0
		}
		position = max(position, known)
	}
	return position
}

// either is the value of a field of a moment, under either of its two names.
func either(values url.Values, moment, name, other string) string {
	snake := map[string]string{"asOf": "as_of"}
	for _, m := range []string{moment, cmp.Or(snake[moment], moment)} {
		if v := cmp.Or(values.Get(m+"."+name), values.Get(m+"."+other)); v != "" {
			return v
		}
	}
	return ""
}

// tell puts into the headers what is known of an answer before it is written.
func tell(ctx context.Context, w http.ResponseWriter, answer proto.Message) error {
	q, ok := ctx.Value(questionKey{}).(*question)
	if !ok {
		return nil
	}
	m := answer.ProtoReflect()
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		if f.IsList() || f.Message() == nil || f.Message().FullName() != "maillage.registry.v1.Resolved" {
			continue
		}
		if resolved, ok := m.Get(f).Message().Interface().(*registryv1.Resolved); ok {
			q.tell(w, resolved.GetHeadPosition())
			return nil
		}
	}
	w.Header().Set("Cache-Control", "no-cache")
	return nil
}

// tell is the headers of an answer that speaks for a position.
func (q *question) tell(w http.ResponseWriter, head uint64) {
	h := w.Header()
	h.Set(positionHeader, strconv.FormatUint(head, 10))
	switch {
	case q.names: // its tag is that of the text, which is still to come
		h.Set("Cache-Control", "private, no-cache")
	case q.fixed != 0:
		h.Set("Cache-Control", "public, max-age=86400")
		h.Set("ETag", q.tag(head))
	default:
		h.Set("Cache-Control", "public, no-cache")
		h.Set("ETag", q.tag(head))
	}
}

// conditional sends an answer only where it is another one than the caller has. The gateway
// writes it at once.
type conditional struct {
	http.ResponseWriter
	r     *http.Request
	q     *question
	begun bool
	drop  bool
}

// WriteHeader is called for errors alone.
func (c *conditional) WriteHeader(code int) {
	c.begun = true
	c.ResponseWriter.WriteHeader(code)
}

func (c *conditional) Write(b []byte) (int, error) {
	if h := c.Header(); !c.begun {
		c.begun = true
		if at := h.Get(positionHeader); c.q.names && at != "" {
			h.Set("ETag", fmt.Sprintf(`W/"%s-%s"`, at, digest(c.q.key, string(b))))
		}
		if matches(c.r, h.Get("ETag")) {
			h.Del("Content-Type")
			c.ResponseWriter.WriteHeader(http.StatusNotModified)
			c.drop = true
		}
	}
	if c.drop {
		return len(b), nil
	}
	return c.ResponseWriter.Write(b)
}

// matches says whether the caller has what a tag stands for.
func matches(r *http.Request, tag string) bool {
	if tag == "" {
		return false
	}
	for _, line := range r.Header.Values("If-None-Match") {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}
