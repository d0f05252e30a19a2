package api

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

// timeFormat is how timestamps are written: ISO 8601 in UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// EncodeXML writes the operation's answer as AWS's Query protocol does: response, result and metadata.
func (o *Operation) EncodeXML(out Output, requestID string) []byte {
	w := &xmlWriter{}
	w.buf.WriteString("<" + o.Name + `Response xmlns="` + Namespace + `">`)
	if o.resultWrapper != "" {
		w.open(o.resultWrapper)
		out.encodeXML(w)
		w.close(o.resultWrapper)
	}
	w.open("ResponseMetadata")
	w.text("RequestId", requestID)
	w.close("ResponseMetadata")
	w.close(o.Name + "Response")
	return w.buf.Bytes()
}

// faultNamespace is the XML namespace of errors that AWS's common front end answers before any service is asked.
const faultNamespace = "http://webservices.amazon.com/AWSFault/2005-15-09"

// EncodeXML writes the error as AWS's Query protocol does. The sender is at fault for a status below 500.
func (e *Error) EncodeXML(requestID string) []byte {
	w := &xmlWriter{}
	namespace := Namespace
	if e.Code == CodeInvalidAction || e.Code == CodeMissingAction {
		namespace = faultNamespace
	}
	w.buf.WriteString(`<ErrorResponse xmlns="` + namespace + `">`)
	w.open("Error")
	fault := "Sender"
	if e.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	w.text("Type", fault)
	w.text("Code", e.Code)
	w.text("Message", e.Message)
	w.close("Error")
	w.text("RequestId", requestID)
	w.close("ErrorResponse")
	return w.buf.Bytes()
}

// xmlWriter writes elements. What is nil is left out; what is empty becomes an empty element.
type xmlWriter struct{ buf bytes.Buffer }

func (w *xmlWriter) open(name string)  { w.buf.WriteString("<" + name + ">") }
func (w *xmlWriter) close(name string) { w.buf.WriteString("</" + name + ">") }

// text writes an element with text. Characters that XML cannot hold become U+FFFD.
func (w *xmlWriter) text(name, value string) {
	w.open(name)
	_ = xml.EscapeText(&w.buf, []byte(value)) // a bytes.Buffer does not fail
	w.close(name)
}

func (w *xmlWriter) string(name string, v *string) {
	if v != nil {
		w.text(name, *v)
	}
}

func (w *xmlWriter) integer(name string, v *int32) {
	if v != nil {
		w.text(name, strconv.FormatInt(int64(*v), 10))
	}
}

func (w *xmlWriter) double(name string, v *float64) {
	if v != nil {
		w.text(name, strconv.FormatFloat(*v, 'f', -1, 64))
	}
}

func (w *xmlWriter) boolean(name string, v *bool) {
	if v != nil {
		w.text(name, strconv.FormatBool(*v))
	}
}

func (w *xmlWriter) timestamp(name string, v *time.Time) {
	if v != nil {
		w.text(name, v.UTC().Format(timeFormat))
	}
}

func (w *xmlWriter) strings(name, word string, list []string) {
	if list == nil {
		return
	}
	w.open(name)
	for _, v := range list {
		w.text(word, v)
	}
	w.close(name)
}

// encodable is the pointer to a structure that appears in outputs.
type encodable[T any] interface {
	*T
	encodeXML(*xmlWriter)
}

func encodeStructures[T any, P encodable[T]](w *xmlWriter, name, word string, list []T) {
	if list == nil {
		return
	}
	w.open(name)
	for i := range list {
		w.open(word)
		P(&list[i]).encodeXML(w)
		w.close(word)
	}
	w.close(name)
}

func encodeStructure[T any, P encodable[T]](w *xmlWriter, name string, v P) {
	if v == nil {
		return
	}
	w.open(name)
	v.encodeXML(w)
	w.close(name)
}
