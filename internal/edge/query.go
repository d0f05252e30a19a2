package edge

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/elastane/elastane/api"
)

const formType = "application/x-www-form-urlencoded"

// query serves the AWS Query protocol: the parameters are in the form, the query string, or both.
func (e *edge) query(w http.ResponseWriter, r *http.Request) {
	values, err := queryValues(r)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	operation, err := queryOperation(values)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	rec := about(r)
	rec.action = operation.Name
	in, err := operation.DecodeQuery(values)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	out, err := e.call(r, operation, in)
	if err != nil {
		e.fail(w, r, err)
		return
	}
	e.write(w, http.StatusOK, "text/xml", operation.EncodeXML(out, rec.id))
}

// call validates the input and runs the operation.
func (e *edge) call(r *http.Request, operation *api.Operation, in api.Input) (api.Output, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	out, err := operation.Call(r.Context(), e.Handlers, in)
	var forClient *api.Error
	if errors.As(err, &forClient) && forClient.Code != api.CodeNotImplemented && !operation.Declares(forClient.Code) {
		e.Logger.WarnContext(r.Context(), "operation answers an error that it does not declare",
			"request_id", about(r).id, "action", operation.Name, "code", forClient.Code)
	}
	return out, err
}

// queryValues returns the parameters of a request; those of the form come before those of the query string.
func queryValues(r *http.Request) (url.Values, error) {
	form := ""
	if body := about(r).body; len(body) > 0 {
		if media := r.Header.Get("Content-Type"); media != "" {
			if kind, _, err := mime.ParseMediaType(media); err != nil || kind != formType {
				return nil, &api.Error{
					Code: api.CodeMalformedInput, Status: http.StatusBadRequest,
					Message: "The content type of the request must be " + formType + ".",
				}
			}
		}
		form = string(body)
	}
	if strings.Count(form, "&")+strings.Count(r.URL.RawQuery, "&") >= api.MaxQueryParameters {
		return nil, malformedQuery("The request has too many parameters.")
	}
	values, err := url.ParseQuery(form)
	if err != nil {
		return nil, malformedQuery("The form is not well-formed.")
	}
	fromURL, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformedQuery("The query string is not well-formed.")
	}
	for key, v := range fromURL {
		values[key] = append(values[key], v...)
	}
	return values, nil
}

func malformedQuery(message string) error {
	return &api.Error{Code: api.CodeMalformedQueryString, Status: http.StatusNotFound, Message: message}
}

// queryOperation returns the operation that Action and Version name.
func queryOperation(values url.Values) (*api.Operation, error) {
	action, version := values.Get("Action"), values.Get("Version")
	if action == "" {
		return nil, &api.Error{
			Code: api.CodeMissingAction, Status: http.StatusBadRequest,
			Message: "The request must contain the parameter Action.",
		}
	}
	operation := api.OperationByName(action)
	if operation == nil || version != api.Version {
		if version == "" {
			version = "NO_VERSION_SPECIFIED"
		}
		return nil, &api.Error{
			Code: api.CodeInvalidAction, Status: http.StatusBadRequest,
			Message: "Could not find operation " + short(action) + " for version " + short(version),
		}
	}
	return operation, nil
}

// short keeps what a client sent from making a message long.
func short(s string) string {
	const most = 128
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
