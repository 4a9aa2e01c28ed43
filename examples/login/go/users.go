// Users: yours are in your database, here a file stands for it.
package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
)

type user struct {
	ID, Name   string
	Salt, Hash []byte // none: one cannot sign in
	TokensFrom int64  // no chat token that counts is older
}

// The file is read anew each time, so that the commands can change it beside a running server.
type userFile struct {
	lock sync.Mutex
	path string
}

func openUsers(path string) *userFile {
	must(0, os.MkdirAll(filepath.Dir(path), 0o700))
	return &userFile{path: path}
}

func (f *userFile) read() map[string]user {
	found := map[string]user{}
	text, err := os.ReadFile(f.path)
	if !errors.Is(err, fs.ErrNotExist) {
		must(0, json.Unmarshal(must(text, err), &found))
	}
	return found
}

func (f *userFile) write(all map[string]user) {
	must(0, os.WriteFile(f.path+".new", must(json.MarshalIndent(all, "", " ")), 0o600))
	must(0, os.Rename(f.path+".new", f.path))
}

func (f *userFile) find(id string) (user, bool) {
	u, ok := f.read()[id]
	return u, ok
}

// The next users by id, n at most.
func (f *userFile) after(id string, n int) []user {
	list := []user{}
	for _, u := range f.read() {
		if u.ID > id {
			list = append(list, u)
		}
	}
	sort.Slice(list, func(a, b int) bool { return list[a].ID < list[b].ID })
	if len(list) > n {
		list = list[:n]
	}
	return list
}

func (f *userFile) change(id string, how func(*user)) (user, bool) {
	f.lock.Lock()
	defer f.lock.Unlock()
	all := f.read()
	u, ok := all[id]
	if ok {
		how(&u)
		all[id] = u
		f.write(all)
	}
	return u, ok
}

func addUsers() error {
	all := users.read()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		field := append(strings.Split(lines.Text(), "\t"), "", "")
		u := user{ID: field[0], Name: field[1], TokensFrom: all[field[0]].TokensFrom}
		if field[2] != "" {
			u.Salt = make([]byte, 16)
			must(rand.Read(u.Salt))
			u.Hash = pbkdf2(field[2], u.Salt)
		}
		all[u.ID] = u
	}
	users.write(all)
	return lines.Err()
}

func checkPassword(u user, password string) bool {
	found := pbkdf2(password, u.Salt) // takes as long for a name that does not exist
	return len(u.Hash) > 0 && hmac.Equal(found, u.Hash)
}

// PBKDF2 with SHA-256, its one block of 32 bytes. Go 1.24 has crypto/pbkdf2; where you use golang.org/x/crypto, take its argon2 or bcrypt.
func pbkdf2(password string, salt []byte) []byte {
	const rounds = 600_000
	mac := hmac.New(sha256.New, []byte(password))
	mac.Write(binary.BigEndian.AppendUint32(append([]byte{}, salt...), 1))
	block := mac.Sum(nil)
	key := append([]byte{}, block...)
	for i := 1; i < rounds; i++ {
		mac.Reset()
		mac.Write(block)
		block = mac.Sum(block[:0])
		for at := range key {
			key[at] ^= block[at]
		}
	}
	return key
}
