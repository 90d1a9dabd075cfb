package plane

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// linesMax is how many commands may wait while another is carried out.
const linesMax = 16

// Ready is the first line of standard output, as JSON: where the control plane is and how to get in.
type Ready struct {
	Server           string            `json:"server"`
	Token            string            `json:"token"`
	Tokens           map[string]string `json:"tokens"`
	CAFile           string            `json:"ca"`
	Kubeconfig       string            `json:"kubeconfig"`
	Etcd             string            `json:"etcd"`
	Folder           string            `json:"folder"`
	GarbageCollector bool              `json:"garbage_collector"`
	Pids             map[string]int    `json:"pids"`
}

// Reply is the line of standard output that answers a line of standard input.
type Reply struct {
	Command string         `json:"command"`
	Error   string         `json:"error,omitempty"`
	Pids    map[string]int `json:"pids"`
}

// options are the flags of `up`.
type options struct {
	folder        string
	kubeconfig    string
	apiserverArgs []string
}

func parseOptions(args []string) (options, error) {
	var chosen options
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.StringVar(&chosen.folder, "folder", "", "empty `folder` for data and logs, kept at the end "+
		"(default: a temporary one, removed at the end)")
	flags.StringVar(&chosen.kubeconfig, "kubeconfig", "", "`file` that the kubeconfig is also written to")
	flags.Func("apiserver-arg", "`argument` for kube-apiserver, after the usual ones; may be repeated",
		func(value string) error {
			chosen.apiserverArgs = append(chosen.apiserverArgs, value)
			return nil
		})
	if err := flags.Parse(args); err != nil {
		return chosen, err
	}
	if flags.NArg() > 0 {
		return chosen, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return chosen, nil
}

// Main is the subcommand `up`: it starts a control plane, says so in one line of JSON, obeys commands on
// standard input, and stops everything when standard input ends, a signal comes, or a component ends by
// itself. It must be called on the main thread and returns the exit code.
func Main(args []string, embedded bool) int {
	chosen, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = up(chosen, embedded)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "patrol-control-plane:", err)
		return 1
	}
	return 0
}

func up(chosen options, embedded bool) (err error) {
	found, err := findPrograms(embedded)
	if err != nil {
		return err
	}
	lines, quit := listen(os.Stdin)
	folder := chosen.folder
	if folder == "" {
		made, lock, err := makeFolder()
		if err != nil {
			return err
		}
		folder = made
		defer lock.Close()
		defer os.RemoveAll(made)
	} else if folder, err = filepath.Abs(folder); err != nil {
		return err
	} else if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}

	controlPlane := &Plane{folder: folder, programs: found, apiserverArgs: chosen.apiserverArgs, quit: quit}
	defer func() { err = errors.Join(err, controlPlane.stop()) }()
	if err := controlPlane.start(); err != nil {
		return err
	}
	if chosen.kubeconfig != "" {
		if err := controlPlane.credentials.writeKubeconfig(controlPlane.server(), chosen.kubeconfig); err != nil {
			return err
		}
	}
	output := json.NewEncoder(os.Stdout)
	if err := output.Encode(controlPlane.ready()); err != nil {
		return err
	}
	return controlPlane.serve(lines, output)
}

// serve obeys commands until there is a reason to end.
func (p *Plane) serve(lines <-chan string, output *json.Encoder) error {
	ended := make(chan *process)
	watched := map[*process]bool{}
	for {
		for _, running := range p.running() {
			if !watched[running] {
				watched[running] = true
				go func() {
					<-running.ended
					ended <- running
				}()
			}
		}
		select {
		case <-p.quit:
			return nil
		case line := <-lines:
			reply := Reply{Command: line}
			if err := p.obey(line); err != nil {
				reply.Error = err.Error()
			}
			reply.Pids = p.pids()
			if err := output.Encode(reply); err != nil {
				return err
			}
		case gone := <-ended:
			if gone == p.etcd || gone == p.apiserver || gone == p.controllers {
				return gone.failure()
			}
		}
	}
}

// obey carries out one command line.
func (p *Plane) obey(command string) error {
	switch command {
	case "stop-apiserver":
		return p.stopAPIServer()
	case "start-apiserver":
		return p.startAPIServer()
	case "restart-controllers":
		return p.restartControllers()
	default:
		return errors.New("unknown command; these are known: " +
			"stop-apiserver, start-apiserver, restart-controllers, quit")
	}
}

func (p *Plane) ready() Ready {
	return Ready{
		Server:           p.server(),
		Token:            p.credentials.tokens["admin"],
		Tokens:           p.credentials.tokens,
		CAFile:           p.credentials.caFile,
		Kubeconfig:       p.credentials.kubeconfig,
		Etcd:             p.etcdURL(),
		Folder:           p.folder,
		GarbageCollector: p.programs.controllers != nil,
		Pids:             p.pids(),
	}
}

func (p *Plane) pids() map[string]int {
	pids := map[string]int{}
	for _, running := range p.running() {
		pids[running.name] = running.pid()
	}
	return pids
}

// listen hands on the lines of input, and closes quit when input ends or says `quit`, or a signal asks
// to end.
func listen(input io.Reader) (<-chan string, <-chan struct{}) {
	lines, quit, ended := make(chan string, linesMax), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		scanner := bufio.NewScanner(input)
		for scanner.Scan() {
			switch line := strings.TrimSpace(scanner.Text()); line {
			case "":
			case "quit":
				return
			default:
				lines <- line
			}
		}
	}()
	// A reader of our output that is gone is no reason to die before everything is cleaned up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		defer close(quit)
		select {
		case <-ended:
		case <-interrupts:
		}
	}()
	return lines, quit
}
