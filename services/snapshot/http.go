package snapshot

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	feedv1 "maillage/proto/gen/maillage/feed/v1"
	"maillage/services/fault"
	"maillage/services/registry"
)

// fresh is how old a set may be that is handed out as the latest: what is asked for all the
// time is made once a minute at most.
const fresh = time.Minute

// latestWord stands for a position: that of the head, or of a moment ago.
const latestWord = "latest"

// Handler serves the sets. fail answers with an error, which is a *fault.Error where a
// caller can act on it.
//
//	/v1/snapshots/POSITION/FILE, /v1/snapshots/latest/FILE
//	/v1/deltas/AFTER/POSITION/FILE
//	/opendata/POSITION-DAY/FILE, /opendata/FILE for the latest of today, or of ?validAt=
//
// Without FILE it is the manifest, or the Data Package. Positions that stand for others,
// and the latest, lead on to the set that they are. A file has its hash as ETag and as
// Repr-Digest, and may be read in ranges.
func (s *Store) Handler(fail func(http.ResponseWriter, *http.Request, error)) http.Handler {
	h := handler{s, fail}
	mux := http.NewServeMux()
	for _, tail := range [...]string{"", "/{file}"} {
		mux.HandleFunc("GET /v1/snapshots/{position}"+tail, h.snapshot)
		mux.HandleFunc("GET /v1/deltas/{after}/{position}"+tail, h.delta)
		mux.HandleFunc("GET /opendata/{set}"+tail, h.openData)
	}
	mux.HandleFunc("GET /opendata/{$}", h.openData)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, fault.New(fault.NotFound, "FILE_UNKNOWN", "", "no file has this path: see /openapi.json"))
	})
	return mux
}

type handler struct {
	*Store
	fail func(http.ResponseWriter, *http.Request, error)
}

func (h handler) snapshot(w http.ResponseWriter, r *http.Request) {
	k := key{kind: snapshots}
	var err error
	if r.PathValue("position") == latestWord {
		k, err = h.latest(r.Context(), k)
	} else if k.position, err = number(r, "position"); err == nil {
		k.position, err = h.resolve(r.Context(), k.position, "position")
	}
	h.answer(w, r, k, "/v1/", ManifestName, err)
}

func (h handler) delta(w http.ResponseWriter, r *http.Request) {
	after, err := number(r, "after")
	position := uint64(0)
	if r.PathValue("position") == latestWord {
		var k key
		if err == nil {
			k, err = h.latest(r.Context(), key{kind: snapshots})
		}
		position = k.position
	} else if err == nil {
		position, err = number(r, "position")
	}
	var k key
	if err == nil {
		k, err = h.between(r.Context(), after, position)
	}
	h.answer(w, r, k, "/v1/", ManifestName, err)
}

func (h handler) openData(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("set")
	if k, ok := parseKey(openData + "/" + name); ok {
		h.answer(w, r, k, "/", "datapackage.json", h.canonical(r.Context(), k))
		return
	}
	r.SetPathValue("file", name) // of the latest
	k := key{kind: openData}
	day, err := given(r, "validAt", "valid_at")
	if err == nil {
		k.day, err = h.dayOf(day)
	}
	if err == nil {
		k, err = h.latest(r.Context(), k)
	}
	h.answer(w, r, k, "/", "datapackage.json", err)
}

// given is the one parameter that a request may have, by its name or by that of the schemas,
// empty where it has none.
func given(r *http.Request, name, schemas string) (value string, err error) {
	all := r.URL.Query()
	for other, texts := range all {
		if other != name && other != schemas || len(texts) > 1 || len(all) > 1 {
			return "", fault.New(fault.Invalid, "REQUEST_INVALID", other, "the only parameter here is %s, once", name)
		}
		value = texts[0]
	}
	return value, nil
}

func number(r *http.Request, name string) (uint64, error) {
	n, err := strconv.ParseUint(r.PathValue(name), 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, "REQUEST_INVALID", name, "%q is no position", r.PathValue(name))
	}
	return n, nil
}

// latest is a set of a kind for the head, or for what was the head a moment ago.
func (s *Store) latest(ctx context.Context, k key) (key, error) {
	s.mu.Lock()
	was, now := s.newest[k.kind], s.src.Now()
	s.mu.Unlock()
	if now.Sub(was.at) < fresh && was.key.day == k.day {
		return was.key, nil
	}
	err := s.src.View(ctx, 0, func(_ *registry.State, head uint64) { k.position = head })
	if err == nil {
		s.mu.Lock()
		s.newest[k.kind] = newest{k, now}
		s.mu.Unlock()
	}
	return k, err
}

// answer leads on to the address of a file or, at that address, hands it out.
func (h handler) answer(w http.ResponseWriter, r *http.Request, k key, root, first string, err error) {
	if err != nil {
		h.fail(w, r, err)
		return
	}
	file := r.PathValue("file")
	if file == "" {
		file = first
	}
	if at := root + k.String() + "/" + file; r.URL.Path != at {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Location", relative(r.URL.Path, at))
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	f, is, err := h.open(r.Context(), k, file)
	if own, ok := errors.AsType[*fault.Error](err); ok && own.Kind == fault.Unavailable {
		w.Header().Set("Retry-After", "5")
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer func() { _ = f.Close() }()
	header(w.Header(), is)
	refuse := func() {
		h.fail(w, r, fault.New(fault.Invalid, "RANGE_INVALID", "Range", "the file has %d bytes, and none of them is asked for", is.GetBytes()))
	}
	http.ServeContent(&slowly{ResponseWriter: w, control: http.NewResponseController(w), refuse: refuse}, r, "", h.src.KnownTime(k.position), f)
}

// untaken is how long a part of a file may wait to be taken: a whole register over a slow
// line takes longer than any other answer has.
const untaken = time.Minute

// slowly gives a reader time anew for each part, and refuses ranges as all else is refused.
type slowly struct {
	http.ResponseWriter
	control *http.ResponseController
	refuse  func()
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (s *slowly) WriteHeader(code int) {
	if code == http.StatusRequestedRangeNotSatisfiable {
		s.refused = true
		s.refuse()
		return
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *slowly) Write(b []byte) (int, error) {
	if s.refused {
		return len(b), nil
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(untaken)) // who cannot set one has none
	return s.ResponseWriter.Write(b)
}

// relative leads from a path to another one of the same root without naming that, which is
// another one behind a proxy.
func relative(from, to string) string {
	up := strings.Count(from, "/") - 1
	return strings.Repeat("../", up) + strings.TrimPrefix(to, "/")
}

// header says what a file is. A file never changes.
func header(h http.Header, is *feedv1.File) {
	h.Set("Content-Type", is.GetMediaType())
	h.Set("Etag", `"`+is.GetSha256()+`"`)
	h.Set("Cache-Control", "public, max-age=3600") // a new epoch gives positions again
	if sum, err := hex.DecodeString(is.GetSha256()); err == nil {
		h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
}
