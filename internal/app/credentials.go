package app

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// Credential is one key pair that may call the API, and the account that it acts for.
type Credential struct {
	AccessKeyID     string
	SecretAccessKey string
	AccountID       string // twelve digits
}

// DefaultAccountID is the account of key pairs that name none.
const DefaultAccountID = "000000000000"

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// LoadCredentials reads a file in the format of AWS's shared credentials file: sections with
// aws_access_key_id, aws_secret_access_key and, optionally, aws_account_id. Errors name the line
// and never its text.
func LoadCredentials(file string) ([]Credential, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	defer f.Close()
	credentials, err := parseCredentials(f)
	if err != nil {
		return nil, fmt.Errorf("credentials: %s: %w", file, err)
	}
	return credentials, nil
}

func parseCredentials(r io.Reader) ([]Credential, error) {
	var all []Credential
	var current *Credential
	begun := 0
	finish := func() error {
		if current == nil {
			return nil
		}
		if current.AccessKeyID == "" || current.SecretAccessKey == "" {
			return fmt.Errorf("the section at line %d lacks aws_access_key_id or aws_secret_access_key", begun)
		}
		all = append(all, *current)
		current = nil
		return nil
	}
	scanner := bufio.NewScanner(r)
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimSpace(scanner.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			if err := finish(); err != nil {
				return nil, err
			}
			current, begun = &Credential{AccountID: DefaultAccountID}, number
		default:
			name, value, ok := strings.Cut(line, "=")
			if !ok || current == nil {
				return nil, fmt.Errorf("line %d: want a [section], then name = value", number)
			}
			value = strings.TrimSpace(value)
			switch strings.TrimSpace(name) {
			case "aws_access_key_id":
				current.AccessKeyID = value
			case "aws_secret_access_key":
				current.SecretAccessKey = value
			case "aws_account_id":
				if !accountPattern.MatchString(value) {
					return nil, fmt.Errorf("line %d: an account id has twelve digits", number)
				}
				current.AccountID = value
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, err
	}
	if err := finish(); err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(all))
	for _, c := range all {
		if seen[c.AccessKeyID] {
			return nil, fmt.Errorf("access key %s is there twice", c.AccessKeyID)
		}
		seen[c.AccessKeyID] = true
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no key pair in it")
	}
	return all, nil
}
