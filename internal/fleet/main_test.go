package fleet_test

import (
	"os"
	"testing"

	"github.com/elastane/elastane/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
