package plane

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCredentialsAreForLoopbackAndEveryAccountHasAToken(t *testing.T) {
	made, err := makeCredentials(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(made.certFile, made.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(made.caPEM)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	text, err := os.ReadFile(made.tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	want := []string{
		made.tokens["admin"] + `,admin,admin,"system:masters"`,
		made.tokens["patrol"] + ",patrol,patrol",
		made.tokens["nobody"] + ",nobody,nobody",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got tokens\n%s", text)
	}
}

func TestTheKubeconfigHasAContextForEveryAccount(t *testing.T) {
	folder := t.TempDir()
	made, err := makeCredentials(folder)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(folder, "copy")
	if err := made.writeKubeconfig("https://127.0.0.1:1", made.kubeconfig, copied); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		CurrentContext string `json:"current-context"`
		Contexts       []struct{ Name string }
		Clusters       []struct {
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
	}
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	if config.CurrentContext != "admin" || len(config.Contexts) != len(accounts) {
		t.Errorf("got %+v", config)
	}
	if cluster := config.Clusters[0].Cluster; cluster.Server != "https://127.0.0.1:1" ||
		string(cluster.CA) != string(made.caPEM) {
		t.Errorf("got cluster %+v", cluster)
	}
}

func TestFoldersOfKilledControlPlanesAreRemovedAndLockedOnesAreNot(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	killed, lock, err := makeFolder()
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	alive, aliveLock, err := makeFolder()
	if err != nil {
		t.Fatal(err)
	}
	defer aliveLock.Close()
	_, lastLock, err := makeFolder()
	if err != nil {
		t.Fatal(err)
	}
	defer lastLock.Close()
	if _, err := os.Stat(killed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the killed one's folder: %v", err)
	}
	if _, err := os.Stat(alive); err != nil {
		t.Errorf("the living one's folder: %v", err)
	}
}

func TestFreePortsAreDifferent(t *testing.T) {
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if port == 0 || seen[port] {
			t.Fatalf("got %v", ports)
		}
		seen[port] = true
	}
}

func TestAComponentThatEndsWhileItIsWaitedForShowsItsLog(t *testing.T) {
	failing, err := startProcess(t.TempDir(), "etcd", "sh", []string{"-c", "echo no space; exit 3"})
	if err != nil {
		t.Fatal(err)
	}
	err = (&Plane{}).waitFor(failing, http.DefaultClient, "http://127.0.0.1:1/health")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no space") {
		t.Errorf("got %v", err)
	}
}

func TestAKilledComponentIsGone(t *testing.T) {
	sleeping, err := startProcess(t.TempDir(), "etcd", "sleep", []string{"600"})
	if err != nil {
		t.Fatal(err)
	}
	if sleeping.hasEnded() {
		t.Fatal("it ended by itself")
	}
	if err := sleeping.kill(); err != nil {
		t.Fatal(err)
	}
	if !sleeping.hasEnded() {
		t.Error("it runs still")
	}
}

func TestInputThatEndsQuitsAndCommandsBeforeItArrive(t *testing.T) {
	lines, quit := listen(strings.NewReader("stop-apiserver\n\n  start-apiserver \n"))
	<-quit
	if first, second := <-lines, <-lines; first != "stop-apiserver" || second != "start-apiserver" {
		t.Errorf("got %q, %q", first, second)
	}
}

func TestUnknownFlagsAndArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"--no-such-flag"}, {"argument"}} {
		if _, err := parseOptions(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	chosen, err := parseOptions([]string{"--apiserver-arg=--v=2", "--apiserver-arg", "--request-timeout=9s"})
	if err != nil || len(chosen.apiserverArgs) != 2 {
		t.Errorf("got %+v, %v", chosen, err)
	}
}

func TestMissingAssetsAreNamed(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", t.TempDir())
	if _, err := findPrograms(true); err == nil || !strings.Contains(err.Error(), "KUBEBUILDER_ASSETS") {
		t.Errorf("got %v", err)
	}
	t.Setenv("KUBEBUILDER_ASSETS", "")
	if _, err := findPrograms(false); err == nil || !strings.Contains(err.Error(), "assets") {
		t.Errorf("got %v", err)
	}
	if found, err := findPrograms(true); err != nil || found.controllers == nil {
		t.Errorf("got %+v, %v", found, err)
	}
}
