// Package plane starts and stops a Kubernetes control plane out of child processes, in a temporary
// folder and on free loopback ports, with credentials made for it alone. It knows nothing of what the
// components do inside; the standard library is all it needs.
package plane

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	// readyDeadline is how long a component may take to serve; 5 s is usual, a loaded machine takes
	// longer.
	readyDeadline = 120 * time.Second
	// readyPoll is how often readiness is asked for.
	readyPoll = 50 * time.Millisecond
	// startTries is how often starting is tried: a free port can be taken before a component listens on
	// it.
	startTries = 3
)

// Plane is a control plane. Its methods must be called on the main thread.
type Plane struct {
	folder        string
	programs      programs
	apiserverArgs []string
	credentials   *credentials

	etcdPort, peerPort, apiserverPort int

	etcd, apiserver, controllers *process

	// quit is closed when there is no more use for the control plane; waiting ends then.
	quit <-chan struct{}
}

// errQuit is what waiting ends with when quit is closed.
var errQuit = errors.New("asked to end while a component was starting")

// programs says how to run each component: a program and its first arguments. The controllers may be
// missing.
type programs struct {
	etcd, apiserver, controllers []string
}

// findPrograms takes etcd and kube-apiserver from KUBEBUILDER_ASSETS where that is set, else all three
// from this program.
func findPrograms(embedded bool) (programs, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		found := programs{
			etcd:      []string{filepath.Join(assets, "etcd")},
			apiserver: []string{filepath.Join(assets, "kube-apiserver")},
		}
		for _, program := range [][]string{found.etcd, found.apiserver} {
			if _, err := os.Stat(program[0]); err != nil {
				return programs{}, fmt.Errorf("KUBEBUILDER_ASSETS is set: %w", err)
			}
		}
		return found, nil
	}
	if !embedded {
		return programs{}, errors.New("KUBEBUILDER_ASSETS is not set, and this build (tag `assets`) has no components")
	}
	self, err := os.Executable()
	if err != nil {
		return programs{}, err
	}
	return programs{
		etcd:        []string{self, "etcd"},
		apiserver:   []string{self, "kube-apiserver"},
		controllers: []string{self, "kube-controller-manager"},
	}, nil
}

// start starts all components and returns when the API server is ready.
func (p *Plane) start() error {
	var err error
	if p.credentials, err = makeCredentials(p.folder); err != nil {
		return err
	}
	for try := range startTries {
		if err = p.startOnce(try); err == nil {
			return nil
		}
		if errors.Is(err, errQuit) {
			return err
		}
		err = errors.Join(err, p.stop())
	}
	return err
}

func (p *Plane) startOnce(try int) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	p.etcdPort, p.peerPort, p.apiserverPort = ports[0], ports[1], ports[2]
	if err := p.credentials.writeKubeconfig(p.server(), p.credentials.kubeconfig); err != nil {
		return err
	}
	if err := p.startEtcd(try); err != nil {
		return err
	}
	if err := p.startAPIServer(); err != nil {
		return err
	}
	return p.startControllers()
}

func (p *Plane) startEtcd(try int) error {
	var err error
	p.etcd, err = p.run("etcd", p.programs.etcd,
		"--data-dir="+filepath.Join(p.folder, fmt.Sprintf("etcd-%d", try)),
		"--listen-client-urls="+p.etcdURL(),
		"--advertise-client-urls="+p.etcdURL(),
		fmt.Sprintf("--listen-peer-urls=http://127.0.0.1:%d", p.peerPort),
		"--unsafe-no-fsync=true",
		"--log-level=warn",
	)
	if err != nil {
		return err
	}
	return p.waitFor(p.etcd, http.DefaultClient, p.etcdURL()+"/health")
}

// startAPIServer starts the API server on the port, data and credentials that it had before, if it ran
// before.
func (p *Plane) startAPIServer() error {
	if p.apiserver != nil && !p.apiserver.hasEnded() {
		return errors.New("the API server runs already")
	}
	args := []string{
		"--etcd-servers=" + p.etcdURL(),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--external-hostname=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", p.apiserverPort),
		"--cert-dir=" + p.folder,
		"--tls-cert-file=" + p.credentials.certFile,
		"--tls-private-key-file=" + p.credentials.keyFile,
		"--token-auth-file=" + p.credentials.tokenFile,
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.credentials.issuerKey,
		"--service-account-signing-key-file=" + p.credentials.issuerKey,
		"--service-cluster-ip-range=10.0.0.0/16",
		"--disable-admission-plugins=ServiceAccount",
		"--endpoint-reconciler-type=none",
		"--allow-privileged=true",
		"--runtime-config=admissionregistration.k8s.io/v1alpha1=true,admissionregistration.k8s.io/v1beta1=true",
	}
	var err error
	p.apiserver, err = p.run("kube-apiserver", p.programs.apiserver, append(args, p.apiserverArgs...)...)
	if err != nil {
		return err
	}
	client, err := p.adminClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := p.waitFor(p.apiserver, client, p.server()+"/readyz"); err != nil {
		return err
	}
	return p.waitFor(p.apiserver, client, p.server()+"/api/v1/namespaces/default")
}

// startControllers starts the garbage collector, the namespace controller and the one that gives
// namespaces their default service account, if this control plane can have them.
func (p *Plane) startControllers() error {
	if p.programs.controllers == nil {
		return nil
	}
	var err error
	p.controllers, err = p.run("kube-controller-manager", p.programs.controllers,
		"--kubeconfig="+p.credentials.kubeconfig,
		"--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller",
		"--leader-elect=false",
		"--secure-port=0",
	)
	return err
}

func (p *Plane) stopAPIServer() error {
	if p.apiserver == nil || p.apiserver.hasEnded() {
		return errors.New("the API server does not run")
	}
	err := p.apiserver.kill()
	p.apiserver = nil
	return err
}

// restartControllers makes the controllers learn at once of kinds that were installed after they
// started; by themselves they look every 30 s.
func (p *Plane) restartControllers() error {
	if p.controllers == nil {
		return errors.New("this control plane has no controllers")
	}
	if err := p.controllers.kill(); err != nil {
		return err
	}
	return p.startControllers()
}

// stop ends everything that runs, the users of a component before the component.
func (p *Plane) stop() error {
	var all error
	for _, running := range p.running() {
		all = errors.Join(all, running.kill())
	}
	p.etcd, p.apiserver, p.controllers = nil, nil, nil
	return all
}

// running lists the processes that were started and not stopped.
func (p *Plane) running() []*process {
	var all []*process
	for _, one := range []*process{p.controllers, p.apiserver, p.etcd} {
		if one != nil {
			all = append(all, one)
		}
	}
	return all
}

func (p *Plane) server() string {
	return fmt.Sprintf("https://127.0.0.1:%d", p.apiserverPort)
}

func (p *Plane) etcdURL() string {
	return fmt.Sprintf("http://127.0.0.1:%d", p.etcdPort)
}

func (p *Plane) run(name string, program []string, args ...string) (*process, error) {
	return startProcess(p.folder, name, program[0], append(append([]string{}, program[1:]...), args...))
}

// waitFor asks url until it answers 200, the process ends, or the deadline passes.
func (p *Plane) waitFor(asked *process, client *http.Client, url string) error {
	deadline := time.After(readyDeadline)
	for {
		if answer, err := client.Get(url); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-asked.ended:
			return asked.failure()
		case <-p.quit:
			return errQuit
		case <-deadline:
			return fmt.Errorf("%s is not ready after %v; %s", asked.name, readyDeadline, asked.logTail())
		case <-time.After(readyPoll):
		}
	}
}

// adminClient is an HTTP client that speaks to the API server as admin.
func (p *Plane) adminClient() (*http.Client, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.credentials.caPEM) {
		return nil, errors.New("the CA certificate cannot be read back")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	token := p.credentials.tokens["admin"]
	return &http.Client{Transport: withToken{transport, token}, Timeout: readyDeadline}, nil
}

type withToken struct {
	*http.Transport
	token string
}

// RoundTrip adds the token to the request.
func (w withToken) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("Authorization", "Bearer "+w.token)
	return w.Transport.RoundTrip(request)
}

// freePorts finds n different loopback ports that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return nil, errors.New("a TCP listener without a TCP address")
		}
		ports = append(ports, address.Port)
	}
	return ports, nil
}
