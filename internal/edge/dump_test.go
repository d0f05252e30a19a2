package edge

import "encoding/json"

// dump shows a value with what its pointers lead to.
func dump(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
