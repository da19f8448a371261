package web_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
	"maillage/services/serve"
	"maillage/services/submit"
)

// register is a running process with a few things in it.
type register struct {
	t    *testing.T
	at   serve.Addresses
	conn *grpc.ClientConn
	stop func()

	filiere, network, establishment, centre, label string
	last                                           uint64 // position recorded
}

// run runs a process until the test ends or stop is called.
func run(t *testing.T, c serve.Config) *register {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	ready, failed := make(chan serve.Addresses, 1), make(chan error, 1)
	c.NATS, c.GRPC, c.HTTP = "off", "127.0.0.1:0", "127.0.0.1:0"
	running.Go(func() { failed <- serve.Run(ctx, c, func(a serve.Addresses) { ready <- a }) })
	r := &register{t: t, stop: func() { cancel(); running.Wait() }}
	t.Cleanup(r.stop)
	select {
	case r.at = <-ready:
	case err := <-failed:
		t.Fatal(err)
	}
	var err error
	r.conn, err = grpc.NewClient(r.at.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(submit.Connect("officer")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.conn.Close() })
	return r
}

// fill records one of each.
func (r *register) fill() *register {
	r.t.Helper()
	ctx, basis := r.t.Context(), &eventv1.Basis{Source: "test"}
	topology, labelling := topologyv1.NewTopologyServiceClient(r.conn), labellingv1.NewLabellingServiceClient(r.conn)
	f, err1 := topology.RegisterFiliere(ctx, &topologyv1.RegisterFiliereRequest{Basis: basis, Acronym: "RespiFIL", Name: "Maladies respiratoires rares"})
	n, err2 := topology.RegisterNetwork(ctx, &topologyv1.RegisterNetworkRequest{Basis: basis, Title: "RespiRare", Acronym: "RR", FiliereId: f.GetFiliereId()})
	e, err3 := topology.RegisterEstablishment(ctx, &topologyv1.RegisterEstablishmentRequest{Basis: basis, Name: "Hôpital Trousseau", Place: &topologyv1.Place{City: "Paris", DepartmentCode: "75"}})
	c, err4 := topology.RegisterCentre(ctx, &topologyv1.RegisterCentreRequest{Basis: basis, EstablishmentIds: []string{e.GetEstablishmentId()}})
	l, err5 := labelling.GrantLabel(ctx, &labellingv1.GrantLabelRequest{Basis: basis, Grant: &labellingv1.Grant{
		Holder: &labellingv1.Grant_Site{Site: &labellingv1.SiteRef{CentreId: c.GetCentreId(), NetworkId: n.GetNetworkId()}},
		Role:   labellingv1.Role_ROLE_COORDINATOR, Period: &eventv1.Period{Start: "2024-01-01", End: "2099-01-01"}, HeadName: "Dr TÉMOIN",
	}})
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		r.t.Fatal(err)
	}
	r.filiere, r.network, r.establishment, r.centre = f.GetFiliereId(), n.GetNetworkId(), e.GetEstablishmentId(), c.GetCentreId()
	r.label, r.last = l.GetLabelId(), l.GetPosition()
	return r
}

// record records one more filière and returns its position.
func (r *register) record(acronym string) uint64 {
	r.t.Helper()
	f, err := topologyv1.NewTopologyServiceClient(r.conn).RegisterFiliere(r.t.Context(), &topologyv1.RegisterFiliereRequest{
		Basis: &eventv1.Basis{Source: "test"}, Acronym: acronym, Name: "Filière " + acronym,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return f.GetPosition()
}

// answer is what came back.
type answer struct {
	*http.Response
	body []byte
}

// json is the answer as it is understood.
func (a answer) json(t *testing.T) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(a.body, &m); err != nil {
		t.Fatalf("%s is no object: %v", a.body, err)
	}
	return m
}

// do sends a request; headers are names and values in turn.
func (r *register) do(method, path string, headers ...string) answer {
	r.t.Helper()
	return do(r.t, method, "http://"+r.at.HTTP+path, headers...)
}

func (r *register) get(path string, headers ...string) answer {
	r.t.Helper()
	return r.do(http.MethodGet, path, headers...)
}

func do(t *testing.T, method, url string, headers ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, body}
}

// rules are the bindings to HTTP of all calls of the contract that is linked in.
func rules(t *testing.T) map[protoreflect.FullName][]*annotations.HttpRule {
	t.Helper()
	all := map[protoreflect.FullName][]*annotations.HttpRule{}
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for i := range methods.Len() {
				m := methods.Get(i)
				if !strings.HasPrefix(string(m.FullName()), "maillage.") {
					continue
				}
				all[m.FullName()] = nil
				if rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule); rule != nil {
					all[m.FullName()] = append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...)
				}
			}
		}
		return true
	})
	return all
}

// Every read has a route, which is in the document and answers; nothing else has one.
func TestEveryReadHasARoute(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	document := r.get("/openapi.json")
	paths, _ := document.json(t)["paths"].(map[string]any)
	ids := strings.NewReplacer(
		"{label_id}", r.label, "{establishment_id}", r.establishment, "{centre_id}", r.centre, "{network_id}", r.network,
		"{filiere_id}", r.filiere, "{entity_id}", r.centre, "{region}", "Bretagne",
	)
	needs := map[string]string{"/v1/offices": "?holderId=" + r.network, "/v1/thresholds:check": "?year=2025", "/v1/counts": "?unit=COUNT_UNIT_LABEL"}
	offered := map[string]bool{}
	r.get("/v1/checkpoint?minSize=1") // it waits for one
	for name, rules := range rules(t) {
		switch pkg := name.Parent().Parent(); { // the feed has routes of its own
		case name.Parent() == "maillage.registry.v1.ReadModelService", pkg == "maillage.topology.v1", pkg == "maillage.labelling.v1", pkg == "maillage.activity.v1":
			if len(rules) > 0 {
				t.Errorf("%s is no read, and has a route", name)
			}
		case pkg == "maillage.registry.v1", name.Parent() == "maillage.ledger.v1.LedgerService":
			if len(rules) == 0 {
				t.Errorf("%s has no route", name)
			}
		}
		for _, rule := range rules {
			path := rule.GetGet()
			offered[path] = true
			if paths[path] == nil {
				t.Errorf("%s is not in the document", path)
			}
			resp := r.get(ids.Replace(path) + needs[path])
			known := !strings.Contains(ids.Replace(path), "{") // of these there is one
			if known && resp.StatusCode != http.StatusOK || !known && resp.json(t)["reason"] != "REQUEST_INVALID" && resp.json(t)["reason"] != "ALIAS_UNKNOWN" {
				t.Errorf("%s: %s %s", path, resp.Status, resp.body)
			}
			if known && resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s is answered as %s", path, resp.Header.Get("Content-Type"))
			}
		}
	}
	if len(offered) < 40 {
		t.Errorf("%d routes", len(offered))
	}
	for path := range paths {
		if strings.HasPrefix(path, "/v1/") && !offered[path] && !strings.HasPrefix(path, "/v1/events") && !strings.HasSuffix(path, "{file}") {
			t.Errorf("the document has %s, which is not offered", path)
		}
		if offered[path] {
			continue
		}
		if resp := r.do(http.MethodHead, strings.NewReplacer("{position}", "1", "/tile/{path}", "/tile/0/000.p/1", "/v1/snapshots/{position}/{file}", "/v1/snapshots/1/snapshot.json",
			"/v1/deltas/{from}/{to}/{file}", "/v1/deltas/1/2/snapshot.json", "/opendata/{file}", "/opendata/datapackage.json", "{path}", "maillage/event/v1/event.proto").Replace(path)); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// libraries is what the words of those that the parameters go through look like.
var libraries = regexp.MustCompile(`strconv|proto|parsing|context|deadline|grpc|runtime|type mismatch|invalid URL|EOF`)

// What goes wrong is said as a problem, with the reason and the parameter at fault.
func TestProblems(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	unknown := "0000000000"
	for _, tc := range []struct {
		method, path  string
		status        int
		reason, field string
	}{
		{"GET", "/v1/labels/" + unknown, 404, "LABEL_UNKNOWN", "labelId"},
		{"GET", "/v1/labels/x", 400, "REQUEST_INVALID", "labelId"},
		{"GET", "/v1/labels?asOf.validAt=2024-13-01", 400, "DATE_INVALID", "asOf.validAt"},
		{"GET", "/v1/labels?asOf.validAt=yesterday", 400, "REQUEST_INVALID", "asOf.validAt"},
		{"GET", "/v1/labels?validAt=2024-01-01", 400, "REQUEST_INVALID", "validAt"},
		{"GET", "/v1/labels?asOf.at=2024-01-01", 400, "REQUEST_INVALID", "asOf.at"},
		{"GET", "/v1/labels?asOf=2024-01-01", 400, "REQUEST_INVALID", "asOf"},
		{"GET", "/v1/labels/" + r.label + "?labelId=x", 400, "REQUEST_INVALID", "labelId"},
		{"GET", "/v1/labels?pageSize=many", 400, "REQUEST_INVALID", "pageSize"},
		{"GET", "/v1/labels?pageSize=1001", 400, "REQUEST_INVALID", "pageSize"},
		{"GET", "/v1/labels?pageToken=x", 400, "PAGE_TOKEN_INVALID", "pageToken"},
		{"GET", "/v1/labels?roles=ROLE_KING", 400, "REQUEST_INVALID", "roles"},
		{"GET", "/v1/labels?asOf.knownPosition=1&asOf.knownTime=2026-01-01T00:00:00Z", 400, "REQUEST_INVALID", ""},
		{"GET", "/v1/labels?asOf.knownPosition=1000000", 503, "POSITION_NOT_REACHED", "asOf.knownPosition"},
		{"GET", "/v1/labels?text=%1b", 400, "CONTROL_CHARACTER", "text"},
		{"GET", "/v1/labels?text=%ff", 400, "REQUEST_INVALID", "text"},
		{"GET", "/v1/labels?text=%zz", 400, "REQUEST_INVALID", ""},
		{"GET", "/v1/regions/Atlantide", 404, "REGION_UNKNOWN", "region"},
		{"GET", "/v1/counts", 400, "REQUEST_INVALID", "unit"},
		{"GET", "/v1/weather", 404, "ROUTE_UNKNOWN", ""},
		{"GET", "/nowhere", 404, "ROUTE_UNKNOWN", ""},
		{"GET", "/schemas/maillage/weather.proto", 404, "SCHEMA_UNKNOWN", ""},
		{"GET", "/schemas/..%2fsources.go", 404, "SCHEMA_UNKNOWN", ""},
		{"POST", "/v1/labels", 405, "METHOD_NOT_ALLOWED", ""},
		{"DELETE", "/v1/labels/" + r.label, 405, "METHOD_NOT_ALLOWED", ""},
		{"POST", "/v1/events", 405, "METHOD_NOT_ALLOWED", ""},
		{"PUT", "/openapi.json", 405, "METHOD_NOT_ALLOWED", ""},
		{"GET", "/v1/events?after=abc", 400, "REQUEST_INVALID", "after"},
		{"GET", "/v1/events?after=-1", 400, "REQUEST_INVALID", "after"},
		{"GET", "/v1/events?page_size=10001", 400, "REQUEST_INVALID", "pageSize"},
		{"GET", "/v1/events?contexts=weather", 400, "REQUEST_INVALID", "contexts[0]"},
		{"GET", "/v1/events?contexts=topology,weather", 400, "REQUEST_INVALID", "contexts[1]"},
		{"GET", "/v1/events?kinds=", 400, "REQUEST_INVALID", "kinds[0]"},
		{"GET", "/v1/events?cursor=x", 400, "CURSOR_INVALID", "cursor"},
		{"GET", "/v1/events?cursor=x&after=1", 400, "REQUEST_INVALID", "cursor"},
		{"GET", "/v1/events?after=1&after=2", 400, "REQUEST_INVALID", "after"},
		{"GET", "/v1/events?pageSize=1&page_size=2", 400, "REQUEST_INVALID", "page"},
		{"GET", "/v1/events?since=1", 400, "REQUEST_INVALID", "since"},
		{"GET", "/v1/events?ids=%ff", 400, "REQUEST_INVALID", "ids"},
		{"GET", "/v1/events?wait=61", 400, "REQUEST_INVALID", "wait"},
		{"GET", "/v1/events/0", 404, "EVENT_UNKNOWN", "position"},
		{"GET", "/v1/events/1000000", 404, "EVENT_UNKNOWN", "position"},
		{"GET", "/v1/events/first", 400, "REQUEST_INVALID", "position"},
		{"GET", "/v1/events:stream?after=abc", 400, "REQUEST_INVALID", "after"},
		{"GET", "/v1/events:stream?heartbeat=61", 400, "REQUEST_INVALID", "heartbeat"},
		{"GET", "/v1/events:stream?start=soon", 400, "REQUEST_INVALID", "start"},
		{"GET", "/v1/events:stream?start=now&after=1", 400, "REQUEST_INVALID", "start"},
		{"GET", "/v1/events:stream?cursor=x", 400, "CURSOR_INVALID", "cursor"},
		{"GET", "/v1/events:stream?contexts=weather", 400, "REQUEST_INVALID", "contexts[0]"},
		{"GET", "/v1/events?kinds=label,labels", 400, "KIND_UNKNOWN", "kinds"},
		{"GET", "/v1/events:stream?kinds=labels", 400, "KIND_UNKNOWN", "kinds"},
		{"GET", "/v1/events?after=1000000", 503, "POSITION_NOT_REACHED", "after"},
		{"GET", "/v1/events?wait=0&after=1000000", 503, "POSITION_NOT_REACHED", "after"},
		{"GET", "/v1/events?minPosition=1000000", 503, "POSITION_NOT_REACHED", "minPosition"},
		{"GET", "/v1/events/1000000?minPosition=1000000", 503, "POSITION_NOT_REACHED", "minPosition"},
		{"GET", "/v1/labels?asOf.minPosition=1000000", 503, "POSITION_NOT_REACHED", "asOf.minPosition"},
		{"GET", "/v1/notices?after=1000000", 503, "POSITION_NOT_REACHED", "after"},
		{"GET", "/v1/snapshots/1000000/snapshot.json", 503, "POSITION_NOT_REACHED", "position"},
		{"GET", "/v1/snapshots/1/nothing", 404, "FILE_UNKNOWN", "name"},
		{"GET", "/v1/snapshots/1/snapshot.json/nothing", 404, "FILE_UNKNOWN", ""},
		{"GET", "/v1/snapshots/first/snapshot.json", 400, "REQUEST_INVALID", "position"},
		{"GET", "/tile/0/x999", 404, "TILE_UNKNOWN", ""},
		{"GET", "/tile/entries/999", 404, "TILE_UNKNOWN", ""},
		{"GET", "/v1/labels?withinDays=soon", 400, "REQUEST_INVALID", "withinDays"},
		{"GET", "/v1/coverage?withinDays=soon", 400, "REQUEST_INVALID", "withinDays"},
		{"GET", "/v1/proofs/first", 400, "REQUEST_INVALID", "position"},
		{"GET", "/v1/labels?asOf.knownTime=noon", 400, "REQUEST_INVALID", "asOf.knownTime"},
		{"GET", "/v1/labels?text=a&text=b", 400, "REQUEST_INVALID", "text"},
		{"GET", "/v1/labels?text=" + strings.Repeat("a", 40<<10), 414, "URL_TOO_LONG", ""},
	} {
		resp := r.do(tc.method, tc.path, "Prefer", "respond-async, wait=0")
		name := tc.method + " " + tc.path[:min(len(tc.path), 80)]
		if resp.StatusCode != tc.status || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s, %s: %s", name, resp.Status, resp.Header.Get("Content-Type"), resp.body)
			continue
		}
		p := resp.json(t)
		field, _ := p["field"].(string)
		if p["reason"] != tc.reason || !strings.HasPrefix(field, tc.field) || tc.field == "" && field != "" {
			t.Errorf("%s: %s", name, resp.body)
		}
		if p["type"] != "urn:maillage:problem:"+tc.reason || p["status"] != float64(tc.status) || p["title"] != http.StatusText(tc.status) || p["detail"] == "" {
			t.Errorf("%s: %s", name, resp.body)
		}
		if (tc.status == 503) != (resp.Header.Get("Retry-After") != "") || (tc.status == 405) != (resp.Header.Get("Allow") != "") {
			t.Errorf("%s: %v", name, resp.Header)
		}
		if detail, _ := p["detail"].(string); libraries.MatchString(detail) || tc.reason == "POSITION_NOT_REACHED" && !strings.Contains(detail, "1000000 cannot be read yet, the last one that can is ") {
			t.Errorf("%s is told in the words of a library: %s", name, detail)
		}
		if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("ETag") != "" {
			t.Errorf("%s can be kept: %v", name, resp.Header)
		}
	}
	cursor, err := base64.RawURLEncoding.DecodeString(r.page("").NextCursor)
	if err != nil {
		t.Fatal(err)
	}
	cursor[len(cursor)-1] ^= 1 // of a record that is another one
	for _, path := range []string{"/v1/events", "/v1/events:stream"} {
		forked := r.get(path + "?cursor=" + base64.RawURLEncoding.EncodeToString(cursor))
		if p := forked.json(t); forked.StatusCode != http.StatusGone || p["reason"] != "LOG_FORKED" || p["field"] != "cursor" {
			t.Errorf("%s with a cursor of another log: %s %s", path, forked.Status, forked.body)
		}
	}
	began := time.Now()
	if resp := r.get("/v1/events?after=1000000"); resp.json(t)["position"] != "1000000" || time.Since(began) < time.Second || time.Since(began) > 20*time.Second {
		t.Errorf("after %v: %s", time.Since(began), resp.body)
	}
	last := r.get("/v1/labels?asOf.knownPosition=1000000").json(t)
	if last["position"] != "1000000" {
		t.Errorf("the position at fault is %v", last["position"])
	}
}

// A process that cannot be asked says so.
func TestNotOffered(t *testing.T) {
	whole := run(t, serve.Config{Data: t.TempDir(), Parts: []serve.Part{serve.Topology, serve.Ledger}})
	for _, path := range []string{"/v1/labels", "/v1/events", "/v1/events:stream"} {
		if resp := whole.get(path); resp.StatusCode != http.StatusNotImplemented || resp.json(t)["reason"] != "NOT_OFFERED" {
			t.Errorf("%s: %s %s", path, resp.Status, resp.body)
		}
	}
	if resp := whole.get("/v1/status"); resp.StatusCode != http.StatusOK {
		t.Errorf("status: %s", resp.body)
	}
	prepared, release := make(chan serve.Addresses), make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, serve.Config{Data: t.TempDir(), NATS: "off", GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", Prepare: func(a serve.Addresses) error {
			prepared <- a
			return <-release
		}}, nil)
	}()
	at := <-prepared
	if resp := do(t, http.MethodGet, "http://"+at.HTTP+"/readyz"); resp.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(string(resp.body), "PREPARING") {
		t.Errorf("readiness while it prepares: %s %s", resp.Status, resp.body)
	}
	release <- nil
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if resp := whole.get("/healthz"); resp.StatusCode != http.StatusOK {
		t.Errorf("healthz: %s", resp.Status)
	}
}

// A process that waits for its broker is asked in vain, and says what it waits for.
func TestNotReady(t *testing.T) {
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := lis.Addr().String()
	if err := lis.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve.Run(ctx, serve.Config{Data: t.TempDir(), URL: "nats://127.0.0.1:1", GRPC: "127.0.0.1:0", HTTP: address}, nil)
	}()
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/v1/labels", "/v1/status", "/v1/events", "/v1/events/1", "/v1/events:stream"} {
		resp := do(t, http.MethodGet, "http://"+address+path)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || resp.json(t)["reason"] == "UNAVAILABLE" {
			t.Errorf("%s: %s %s", path, resp.Status, resp.body)
		}
	}
	if resp := do(t, http.MethodGet, "http://"+address+"/openapi.json"); resp.StatusCode != http.StatusOK {
		t.Errorf("the document: %s", resp.Status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What holds for every answer: pages of the web may read it, HEAD is GET without the body,
// large answers are compressed, the root says where to look.
func TestEveryAnswer(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	for _, path := range []string{"/", "/v1/labels", "/v1/events", "/openapi.json", "/nowhere"} {
		if resp := r.get(path); resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
	if resp := r.do(http.MethodOptions, "/v1/labels", "Origin", "https://example.org", "Access-Control-Request-Method", "GET"); resp.StatusCode != http.StatusNoContent || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "GET") {
		t.Errorf("preflight: %s %v", resp.Status, resp.Header)
	}
	preflight, read := r.do(http.MethodOptions, "/v1/snapshots/1/snapshot.json"), r.get("/v1/snapshots/1/snapshot.json")
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "Last-Event-ID", "Prefer"} {
		if !slices.Contains(strings.Split(preflight.Header.Get("Access-Control-Allow-Headers"), ", "), name) {
			t.Errorf("a page of the web may not send %s: %v", name, preflight.Header)
		}
	}
	for _, name := range []string{"Content-Range", "Accept-Ranges", "ETag", "Repr-Digest", "Link", "Maillage-Position", "Retry-After"} {
		if !slices.Contains(strings.Split(read.Header.Get("Access-Control-Expose-Headers"), ", "), name) {
			t.Errorf("a page of the web may not see %s: %v", name, read.Header)
		}
	}
	beyond := r.get("/v1/snapshots/1/snapshot.json", "Range", "bytes=1000000-")
	if p := beyond.json(t); beyond.StatusCode != http.StatusRequestedRangeNotSatisfiable || beyond.Header.Get("Content-Type") != "application/problem+json" ||
		p["reason"] != "RANGE_INVALID" || p["field"] != "Range" || beyond.Header.Get("Content-Range") != fmt.Sprintf("bytes */%d", len(read.body)) {
		t.Errorf("a range beyond the end: %s %v %s", beyond.Status, beyond.Header, beyond.body)
	}
	for _, path := range []string{"/v1/filieres", "/v1/events", "/v1/events:stream", "/v1/events/1", "/"} {
		resp := r.do(http.MethodHead, path)
		if resp.StatusCode != http.StatusOK || len(resp.body) > 0 || resp.Header.Get("Content-Type") == "" {
			t.Errorf("HEAD %s: %s %v", path, resp.Status, resp.Header)
		}
	}
	resp := r.get("/openapi.json", "Accept-Encoding", "gzip")
	packed, err := gzip.NewReader(bytes.NewReader(resp.body))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(packed); err != nil || !json.Valid(text) || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("compressed: %v, %v", resp.Header, err)
	}
	if resp := r.get("/"); !strings.Contains(string(resp.body), "openapi.json") {
		t.Errorf("the root says %s", resp.body)
	}
	if resp := r.get("/schemas/maillage/labelling/v1/event.proto"); !strings.Contains(string(resp.body), "message LabelGranted") {
		t.Errorf("the schema is %.80s", resp.body)
	}
	labels := r.get("/v1/labels").json(t)
	entry, _ := labels["entries"].([]any)[0].(map[string]any)
	if entry["headName"] != "Dr TÉMOIN" || entry["status"] != "STATUS_IN_FORCE" || entry["holderName"] != "" {
		t.Errorf("a label is %v", entry)
	}
	resp = r.get("/v1/map", "Accept", "application/geo+json, application/json;q=0.5")
	if resp.Header.Get("Content-Type") != "application/geo+json" || resp.json(t)["type"] != "FeatureCollection" {
		t.Errorf("the map is %s: %s", resp.Header.Get("Content-Type"), resp.body)
	}
	if region := r.get("/v1/regions/Auvergne-Rh%C3%B4ne-Alpes").json(t); region["regionCode"] != "84" {
		t.Errorf("a region with an accent is %v", region)
	}
	if resp := r.get("/v1/labels", "Accept", "application/geo+json"); resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("labels as GeoJSON are %s", resp.Header.Get("Content-Type"))
	}
}

// An answer is sent again only where it is another one, and is kept by nobody where it
// holds a name.
func TestRevalidation(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	fixed := "?asOf.validAt=2025-01-01&asOf.knownPosition=" + "4"
	for _, tc := range []struct {
		path, accept, cache string
		stays               bool // when something else is recorded
	}{
		{"/v1/filieres", "", "public, no-cache", false},
		{"/v1/centres/" + r.centre, "", "public, no-cache", false},
		{"/v1/map", "", "public, no-cache", false},
		{"/v1/map", "application/geo+json", "public, no-cache", false},
		{"/v1/filieres" + fixed, "", "public, max-age=86400", true},
		{"/v1/filieres?as_of.valid_at=2025-01-01&as_of.known_position=4", "", "public, max-age=86400", true},
		{"/v1/map" + fixed, "", "public, max-age=86400", true},
		{"/v1/labels", "", "private, no-cache", false},
		{"/v1/labels/" + r.label, "", "private, no-cache", false},
		{"/v1/labels/" + r.label + "?asOf.validAt=2025-01-01&asOf.knownPosition=7", "", "private, no-cache", false},
		{"/v1/directory" + fixed, "", "private, no-cache", false},
		{"/v1/events", "", "public, no-cache", false},
		{"/v1/events?contexts=labelling", "application/cloudevents-batch+json", "public, no-cache", false},
		{"/v1/events/2", "", "public, max-age=3600", true},
		{"/openapi.json", "", "no-cache", true},
	} {
		first := r.get(tc.path, "Accept", tc.accept)
		tag := first.Header.Get("ETag")
		if first.StatusCode != http.StatusOK || tag == "" || first.Header.Get("Cache-Control") != tc.cache {
			t.Errorf("%s: %s %v", tc.path, first.Status, first.Header)
			continue
		}
		same := r.get(tc.path, "Accept", tc.accept, "If-None-Match", `"other", `+tag)
		if same.StatusCode != http.StatusNotModified || len(same.body) > 0 || same.Header.Get("ETag") != tag || same.Header.Get("Cache-Control") != tc.cache {
			t.Errorf("%s again: %s %v", tc.path, same.Status, same.Header)
		}
		if other := r.get(tc.path+strings.Repeat("?", 1-min(1, strings.Count(tc.path, "?"))), "Accept", tc.accept, "If-None-Match", `"other"`); other.StatusCode != http.StatusOK {
			t.Errorf("%s with another tag: %s", tc.path, other.Status)
		}
		position := r.record("F" + strings.ToUpper(tag[len(tag)-8:len(tag)-1]))
		then := r.get(tc.path, "Accept", tc.accept, "If-None-Match", tag)
		if (then.StatusCode == http.StatusNotModified) != tc.stays {
			t.Errorf("%s after position %d: %s", tc.path, position, then.Status)
		}
	}
	geo, plain := r.get("/v1/map", "Accept", "application/geo+json"), r.get("/v1/map")
	if geo.Header.Get("ETag") == plain.Header.Get("ETag") || !slices.Contains(geo.Header.Values("Vary"), "Accept") {
		t.Errorf("two forms of one answer: %v and %v", geo.Header, plain.Header)
	}
}

// An erasure names the sites of those whose name is to be forgotten: a consumer keeps names
// by them.
func TestErasureNamesTheSite(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	label := r.get("/v1/labels/" + r.label).json(t)
	erased, err := labellingv1.NewLabellingServiceClient(r.conn).ErasePerson(t.Context(), &labellingv1.ErasePersonRequest{
		Basis: &eventv1.Basis{Source: "test"}, Who: &labellingv1.ErasePersonRequest_Name{Name: "Dr TÉMOIN"}, Reason: labellingv1.ErasureReason_ERASURE_REASON_REQUESTED,
	})
	if err != nil {
		t.Fatal(err)
	}
	notices, _ := r.get(fmt.Sprintf("/v1/notices?kinds=NOTICE_KIND_ERASED&minPosition=%d", erased.GetPosition())).json(t)["notices"].([]any)
	if len(notices) != 1 {
		t.Fatalf("notices: %v", notices)
	}
	said := fmt.Sprint(notices[0])
	entry, _ := label["entry"].(map[string]any)
	holder, _ := entry["label"].(map[string]any)["holder"].(map[string]any)
	site, _ := holder["site"].(map[string]any)["siteId"].(string)
	for kind, id := range map[string]string{"site": site, "label": r.label, "centre": r.centre, "network": r.network} {
		if id == "" || !strings.Contains(said, "map[id:"+id+" kind:"+kind+"]") {
			t.Errorf("it does not name the %s %q: %s", kind, id, said)
		}
	}
	if strings.Contains(said, "TÉMOIN") {
		t.Errorf("it names the person: %s", said)
	}
}

// Who waits over gRPC for what does not come hears why before his time is up.
func TestWaitedInVain(t *testing.T) {
	r := run(t, serve.Config{Data: t.TempDir()}).fill()
	for field, ask := range map[string]func(ctx context.Context) error{
		"min_position": func(ctx context.Context) error {
			_, err := feedv1.NewFeedServiceClient(r.conn).ListEvents(ctx, &feedv1.ListEventsRequest{MinPosition: 1_000_000})
			return err
		},
		"after": func(ctx context.Context) error {
			_, err := feedv1.NewFeedServiceClient(r.conn).ListEvents(ctx, &feedv1.ListEventsRequest{From: &feedv1.ListEventsRequest_After{After: 1_000_000}})
			return err
		},
		"as_of.min_position": func(ctx context.Context) error {
			_, err := registryv1.NewRegistryServiceClient(r.conn).ListLabels(ctx, &registryv1.ListLabelsRequest{AsOf: &registryv1.AsOf{MinPosition: 1_000_000}})
			return err
		},
	} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			err := ask(ctx)
			own, ok := fault.FromStatus(err)
			if want := fmt.Sprintf("position 1000000 cannot be read yet, the last one that can is %d", r.last); !ok || own.Reason != "POSITION_NOT_REACHED" || own.Field != field || own.Position != 1_000_000 || own.Message != want {
				t.Errorf("it is told %v, %+v", err, own)
			}
		})
	}
}
