// An app with users and a login of its own, which gives them chat. Go 1.19 or later, the standard library alone.
//
//	go build -o login && ./login            serves the app
//	./login add-users <people.tsv           lines of id, name and password; without a password one cannot sign in
//	./login sync-users                      tells Beck about all users
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	if otherwise == "" {
		log.Fatalf("set %s", name)
	}
	return otherwise
}

// For what does not fail in a sound installation; within a request, net/http ends that request alone.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

var (
	beckURL       = env("BECK_URL", "http://127.0.0.1:8800") // from this server to Beck
	beckPublicURL = env("BECK_PUBLIC_URL", beckURL)          // from browsers to Beck
	apiKey        = env("BECK_API_KEY", "")
	apiSecret     = bytes.TrimSpace(must(os.ReadFile(env("BECK_API_SECRET_FILE", ""))))
	pages         = env("APP_PAGES", "../page")
	users         = openUsers(filepath.Join(env("APP_DATA", "app-data"), "users.json"))
)

func iso(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

// ---- Beck ----

// quickstart: sign
// A token is a JWT: HS256 with the API secret, which never leaves this server.
func sign(claims map[string]any) string {
	part := base64.RawURLEncoding.EncodeToString
	text := part([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + part(must(json.Marshal(claims)))
	mac := hmac.New(sha256.New, apiSecret)
	mac.Write([]byte(text))
	return text + "." + part(mac.Sum(nil))
}

// quickstart: end

// quickstart: call
var beckClient = http.Client{Timeout: 5 * time.Second}

func callBeck(method, path string, body any) error {
	now := time.Now().Unix()
	request, err := http.NewRequest(method, beckURL+path+"?api_key="+url.QueryEscape(apiKey), bytes.NewReader(must(json.Marshal(body))))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", sign(map[string]any{"server": true, "iat": now, "exp": now + 60}))
	request.Header.Set("Stream-Auth-Type", "jwt")
	request.Header.Set("Content-Type", "application/json")
	reply, err := beckClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	text, _ := io.ReadAll(reply.Body) // to its end, so that the connection is used again
	if reply.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %d %s", method, path, reply.StatusCode, text)
	}
	return nil
}

// True when Beck did it. The app goes on without Beck: chat is what is missing then, not the app.
func tellBeck(method, path string, body any) bool {
	err := callBeck(method, path, body)
	if err != nil {
		log.Printf("Beck: %v", err)
	}
	return err == nil
}

// quickstart: end

type object map[string]any

// quickstart: users
// At most 100 users at once: who they are, and which channels they are in. Saying it again changes nothing.
func putUsers(some []user) error {
	ids, profiles := []string{}, object{}
	for _, u := range some {
		ids = append(ids, u.ID)
		profiles[u.ID] = object{"id": u.ID, "name": u.Name}
	}
	err := callBeck("POST", "/users", object{"users": profiles})
	if err == nil {
		err = callBeck("POST", "/channels/messaging/lobby/query", object{"data": object{"created_by_id": ids[0]}})
	}
	if err == nil {
		err = callBeck("POST", "/channels/messaging/lobby", object{"add_members": ids})
	}
	return err
}

func syncUsers() error {
	count, last := 0, ""
	for {
		some := users.after(last, 100)
		if len(some) == 0 {
			fmt.Printf("%d users\n", count)
			return nil
		}
		if err := putUsers(some); err != nil {
			return err
		}
		out := []object{} // sign-outs that Beck was not there to hear of; no token is older than an hour
		for _, u := range some {
			if u.TokensFrom > time.Now().Unix()-tokenSeconds {
				out = append(out, revocation(u))
			}
		}
		if len(out) > 0 {
			if err := callBeck("PATCH", "/users", object{"users": out}); err != nil {
				return err
			}
		}
		count, last = count+len(some), some[len(some)-1].ID
	}
}

// quickstart: end

// ---- the app's own sessions: in memory, so a restart signs everybody out ----

const sessionTime = 12 * time.Hour

type session struct {
	userID string
	ends   time.Time
}

var (
	lock     sync.Mutex // of all below; logout and chatToken rely on it to see session and user as of one moment
	sessions = map[string]session{}
	tries    = map[string]int{} // wrong passwords of this minute
	minute   int64
)

func sessionID(r *http.Request) string {
	cookie, err := r.Cookie("session")
	if err != nil {
		return ""
	}
	return cookie.Value
}

func setSession(w http.ResponseWriter, id string, age time.Duration) {
	secure := strings.HasPrefix(beckPublicURL, "https:") // chat by TLS: then the app is, too
	maxAge := int(age.Seconds())
	if id == "" {
		maxAge = -1
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure, MaxAge: maxAge})
}

func sessionUser(r *http.Request) (user, bool) {
	lock.Lock()
	defer lock.Unlock()
	s, ok := sessions[sessionID(r)]
	if !ok || time.Now().After(s.ends) {
		return user{}, false
	}
	return users.find(s.userID)
}

// At most ten wrong passwords a minute for one name.
func mayTry(id string) bool {
	lock.Lock()
	defer lock.Unlock()
	if now := time.Now().Unix() / 60; now != minute {
		minute, tries = now, map[string]int{}
	}
	tries[id]++
	return tries[id] <= 10
}

func login(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("user")
	if !mayTry(id) {
		sendPage(w, 429, "login.html", object{"error": "Too many attempts. Wait a minute."})
		return
	}
	u, _ := users.find(id)
	if !checkPassword(u, r.PostFormValue("password")) {
		sendPage(w, 401, "login.html", object{"error": "Wrong name or password."})
		return
	}
	sid := randomText() // always a new one, so that nobody can plant his
	lock.Lock()
	delete(tries, id)
	for old, s := range sessions {
		if time.Now().After(s.ends) {
			delete(sessions, old)
		}
	}
	sessions[sid] = session{id, time.Now().Add(sessionTime)}
	lock.Unlock()
	setSession(w, sid, sessionTime)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// quickstart: logout
func revocation(u user) object {
	return object{"id": u.ID, "set": object{"revoke_tokens_issued_before": iso(u.TokensFrom)}}
}

func logout(w http.ResponseWriter, r *http.Request) {
	if u, ok := endSession(sessionID(r)); ok {
		tellBeck("PATCH", "/users", object{"users": []object{revocation(u)}})
	}
	setSession(w, "", 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// Revocation ends tokens with iat < TokensFrom, and iat counts whole seconds: tokens of this very second end only if TokensFrom is
// past it. Later tokens, of other sign-ins, are issued as of TokensFrom at the earliest: at most a second ahead, which Beck allows.
func endSession(sid string) (user, bool) {
	lock.Lock()
	defer lock.Unlock()
	s, ok := sessions[sid]
	delete(sessions, sid)
	if !ok {
		return user{}, false
	}
	return users.change(s.userID, func(u *user) { u.TokensFrom = max(time.Now().Unix(), u.TokensFrom) + 1 })
}

// quickstart: end

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

// ---- chat ----

// quickstart: token
const tokenSeconds = 3600

func chatToken(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Unix() // before the session is looked at, so that a logout meanwhile comes later
	u, ok := sessionUser(r)
	if !ok {
		sendJSON(w, 401, object{"error": "Sign in first."})
		return
	}
	if err := putUsers([]user{u}); err != nil { // new users and what Beck missed while it was away
		log.Printf("Beck: %v", err)
		sendJSON(w, 503, object{"error": "Chat is not available at the moment."})
		return
	}
	iat := max(now, u.TokensFrom)
	exp := iat + tokenSeconds
	sendJSON(w, 200, object{"token": sign(object{"user_id": u.ID, "iat": iat, "exp": exp}), "expires_at": iso(exp)})
}

// quickstart: end

// quickstart: profile
func profile(w http.ResponseWriter, r *http.Request) {
	u, ok := sessionUser(r)
	name := strings.TrimSpace(r.PostFormValue("name"))
	if !ok {
		sendJSON(w, 401, object{"error": "Sign in first."})
		return
	}
	if length := utf8.RuneCountInString(name); length < 1 || length > 100 {
		sendJSON(w, 400, object{"error": "A name has 1 to 100 characters."})
		return
	}
	users.change(u.ID, func(u *user) { u.Name = name })
	synced := tellBeck("PATCH", "/users", object{"users": []object{{"id": u.ID, "set": object{"name": name}}}})
	sendJSON(w, 200, object{"name": name, "synced": synced})
}

// quickstart: end

// ---- pages ----

func home(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	u, ok := sessionUser(r)
	if !ok {
		sendPage(w, 200, "login.html", object{"error": ""})
		return
	}
	sendPage(w, 200, "chat.html", object{"beck_url": beckPublicURL, "api_key": apiKey, "user_id": u.ID, "name": u.Name})
}

func sendPage(w http.ResponseWriter, status int, file string, values object) {
	text := must(os.ReadFile(filepath.Join(pages, file)))
	places := []string{}
	for key, value := range values {
		places = append(places, "{{"+key+"}}", template.HTMLEscapeString(value.(string)))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	strings.NewReplacer(places...).WriteString(w, string(text))
}

func sendJSON(w http.ResponseWriter, status int, value object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

func file(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, filepath.Join(pages, name)) }
}

// Browsers say where a POST comes from, and pages of others cannot change that: this is the protection from forged requests.
func isFromOurPage(r *http.Request) bool {
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Host == r.Host
}

func post(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 10_000)
		switch {
		case r.Method != "POST":
			http.Error(w, "only POST", http.StatusMethodNotAllowed)
		case !isFromOurPage(r):
			sendJSON(w, 403, object{"error": "This request comes from another page."})
		default:
			handler(w, r)
		}
	}
}

func secured(next http.Handler) http.Handler {
	address := must(url.Parse(beckPublicURL))
	beck := address.Scheme + "://" + address.Host
	policy := fmt.Sprintf("default-src 'none'; script-src 'self' %[1]s; style-src 'self' %[1]s; img-src 'self' data: %[1]s; "+
		"connect-src 'self' %[1]s %[2]s; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", beck, strings.Replace(beck, "http", "ws", 1))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func serve() error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", home)
	mux.HandleFunc("/app.js", file("app.js"))
	mux.HandleFunc("/app.css", file("app.css"))
	mux.HandleFunc("/login", post(login))
	mux.HandleFunc("/logout", post(logout))
	mux.HandleFunc("/chat/token", post(chatToken))
	mux.HandleFunc("/profile", post(profile))
	listener, err := net.Listen("tcp", "127.0.0.1:"+env("PORT", "8080"))
	if err != nil {
		return err
	}
	fmt.Printf("ready http://%s\n", listener.Addr())
	server := http.Server{Handler: secured(mux), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
	return server.Serve(listener)
}

func randomText() string {
	random := make([]byte, 32)
	must(rand.Read(random))
	return base64.RawURLEncoding.EncodeToString(random)
}

func main() {
	command := map[string]func() error{"": serve, "add-users": addUsers, "sync-users": syncUsers}[strings.Join(os.Args[1:], " ")]
	if command == nil {
		log.Fatal("usage: login [add-users | sync-users]")
	}
	if err := command(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
