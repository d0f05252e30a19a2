package main

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// document is openapi.yaml as it stands there, as far as the generator reads it.
type document struct {
	AWS struct {
		APIVersion  string `yaml:"apiVersion"`
		Namespace   string `yaml:"namespace"`
		SigningName string `yaml:"signingName"`
	} `yaml:"x-aws"`
	Paths      ordered[ordered[rawOperation]] `yaml:"paths"`
	Components struct {
		Schemas ordered[rawSchema] `yaml:"schemas"`
	} `yaml:"components"`
	ErrorCodes ordered[struct {
		Code   string `yaml:"code"`
		Status int    `yaml:"status"`
	}] `yaml:"x-aws-error-codes"`
}

type rawOperation struct {
	OperationID   string         `yaml:"operationId"`
	Action        string         `yaml:"x-aws-action"`
	ItemOf        string         `yaml:"x-item-of"`
	Summary       string         `yaml:"summary"`
	ResultWrapper string         `yaml:"x-aws-result-wrapper"`
	Errors        []string       `yaml:"x-aws-errors"`
	Parameters    []rawParameter `yaml:"parameters"`
	Paginator     *struct {
		InputToken  string `yaml:"inputToken"`
		OutputToken string `yaml:"outputToken"`
		Limit       string `yaml:"limit"`
		Result      string `yaml:"result"`
	} `yaml:"x-aws-paginator"`
	RequestBody struct {
		Content map[string]rawMedia `yaml:"content"`
	} `yaml:"requestBody"`
	Responses ordered[struct {
		Content map[string]rawMedia `yaml:"content"`
	}] `yaml:"responses"`
}

type rawParameter struct {
	Name        string              `yaml:"name"`
	In          string              `yaml:"in"`
	Required    bool                `yaml:"required"`
	Deprecated  bool                `yaml:"deprecated"`
	Description string              `yaml:"description"`
	Schema      *rawSchema          `yaml:"schema"`
	Content     map[string]rawMedia `yaml:"content"`
}

type rawMedia struct {
	Schema rawSchema `yaml:"schema"`
}

type rawSchema struct {
	Ref         string             `yaml:"$ref"`
	Type        string             `yaml:"type"`
	Format      string             `yaml:"format"`
	Description string             `yaml:"description"`
	Deprecated  bool               `yaml:"deprecated"`
	Enum        []string           `yaml:"enum"`
	Pattern     string             `yaml:"pattern"`
	MinLength   int                `yaml:"minLength"`
	MaxLength   int                `yaml:"maxLength"`
	Minimum     *int               `yaml:"minimum"`
	Maximum     *int               `yaml:"maximum"`
	MinItems    int                `yaml:"minItems"`
	MaxItems    int                `yaml:"maxItems"`
	Required    []string           `yaml:"required"`
	Properties  ordered[rawSchema] `yaml:"properties"`
	Items       *rawSchema         `yaml:"items"`
	XML         struct {
		Name    string `yaml:"name"`
		Wrapped bool   `yaml:"wrapped"`
	} `yaml:"xml"`
}

// ordered is a YAML mapping in the order of the file.
type ordered[T any] []entry[T]

type entry[T any] struct {
	key   string
	value T
}

func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping is expected", node.Line)
	}
	for i := 0; i < len(node.Content); i += 2 {
		e := entry[T]{key: node.Content[i].Value}
		if err := node.Content[i+1].Decode(&e.value); err != nil {
			return err
		}
		*o = append(*o, e)
	}
	return nil
}

func (o ordered[T]) get(key string) (T, bool) {
	for _, e := range o {
		if e.key == key {
			return e.value, true
		}
	}
	var zero T
	return zero, false
}
