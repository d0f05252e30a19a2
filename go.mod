module github.com/elastane/elastane

go 1.26
