package e2e

import (
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/stretchr/testify/require"
)

// What a monitoring system asks for beside the API, on the same port.
func TestProbesAndMetrics(t *testing.T) {
	t.Parallel()
	d := useDev(t)
	_, err := d.api().DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{})
	require.NoError(t, err)
	require.Equal(t, "ok\n", get(t, d.endpoint()+"/healthz"))
	require.Equal(t, "ready\n", get(t, d.endpoint()+"/readyz"))
	metrics := get(t, d.endpoint()+"/metrics")
	for _, line := range []string{
		"go_goroutines ", "process_resident_memory_bytes ",
		`elastane_requests_total{code="",operation="DescribeReplicationGroups"} `,
		`elastane_request_duration_seconds_bucket{operation="DescribeReplicationGroups",le="0.003"} `,
		`elastane_agents{connected="true"} 3`,
	} {
		require.Contains(t, metrics, "\n"+line)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer closeIt(t, response.Body)
	require.Equal(t, http.StatusOK, response.StatusCode)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}
