package plane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// account is a user that the API server knows by a static token.
type account struct {
	name  string
	group string // empty: in no group but system:authenticated
}

// accounts are the users of every control plane: one that may do everything, one that tests give rights
// to by RBAC, and one that never gets any.
var accounts = []account{
	{name: "admin", group: "system:masters"},
	{name: "patrol"},
	{name: "nobody"},
}

// credentials are the keys, certificates and tokens of one control plane, made anew for it.
type credentials struct {
	caPEM      []byte
	caFile     string
	certFile   string
	keyFile    string
	tokenFile  string
	issuerKey  string
	tokens     map[string]string
	kubeconfig string
}

// makeCredentials writes everything that the API server needs to know itself and its users into folder.
func makeCredentials(folder string) (*credentials, error) {
	made := &credentials{
		caFile:     filepath.Join(folder, "ca.crt"),
		certFile:   filepath.Join(folder, "serving.crt"),
		keyFile:    filepath.Join(folder, "serving.key"),
		tokenFile:  filepath.Join(folder, "tokens.csv"),
		issuerKey:  filepath.Join(folder, "service-account.key"),
		kubeconfig: filepath.Join(folder, "kubeconfig"),
		tokens:     map[string]string{},
	}
	err := errors.Join(made.writeCertificates(), made.writeTokens(), made.writeIssuerKey())
	return made, err
}

func (c *credentials) writeCertificates() error {
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "patrol-control-plane-ca"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serving := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "kube-apiserver"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost", "kubernetes.default.svc"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	servingDER, err := x509.CreateCertificate(rand.Reader, serving, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	c.caPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	servingPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: servingDER})
	return errors.Join(
		os.WriteFile(c.caFile, c.caPEM, 0o600),
		os.WriteFile(c.certFile, append(servingPEM, c.caPEM...), 0o600),
		writeKey(c.keyFile, key),
	)
}

func (c *credentials) writeTokens() error {
	var lines strings.Builder
	for _, user := range accounts {
		secret := make([]byte, 16)
		if _, err := rand.Read(secret); err != nil {
			return err
		}
		token := hex.EncodeToString(secret)
		c.tokens[user.name] = token
		fmt.Fprintf(&lines, "%s,%s,%s", token, user.name, user.name)
		if user.group != "" {
			fmt.Fprintf(&lines, ",%q", user.group)
		}
		lines.WriteByte('\n')
	}
	return os.WriteFile(c.tokenFile, []byte(lines.String()), 0o600)
}

func (c *credentials) writeIssuerKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return writeKey(c.issuerKey, key)
}

// writeKey writes a key in the one form that the API server reads both a private and a public key from.
func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

// writeKubeconfig writes a kubeconfig with a context for every account; the admin's is the current one.
// JSON is YAML.
func (c *credentials) writeKubeconfig(server string, paths ...string) error {
	type named map[string]any
	var users, contexts []named
	for _, user := range accounts {
		users = append(users, named{"name": user.name, "user": named{"token": c.tokens[user.name]}})
		contexts = append(contexts, named{
			"name":    user.name,
			"context": named{"cluster": "patrol-control-plane", "user": user.name},
		})
	}
	text, err := json.MarshalIndent(named{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []named{{
			"name":    "patrol-control-plane",
			"cluster": named{"server": server, "certificate-authority-data": c.caPEM},
		}},
		"users":           users,
		"contexts":        contexts,
		"current-context": "admin",
	}, "", "  ")
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	return nil
}
