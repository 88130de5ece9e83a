"""Export of a run's networks to files that other programs run: ONNX, TorchScript, OpenVINO."""
